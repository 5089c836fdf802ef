// The end of a turn of the server's thread.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>

#include "gateway/http/mailbox.hpp"

namespace mlforge::http::test {
namespace {

struct ServerThread {
  boost::asio::io_context context;
  Mailbox box{context};
  std::string order;

  void note(const char* what) {
    boost::asio::post(context, [this, what] { order += what; });
  }
};

}  // namespace

TEST_CASE("mailbox: the end of a turn comes after what is ready, and before what comes later") {
  ServerThread thread;
  const Mailbox::Scope scope(thread.box);
  bool taken = false;
  boost::asio::post(thread.context, [&] {
    thread.order += "first ";
    taken = Mailbox::at_end_of_turn([&] {
      thread.order += "end ";
      thread.note("later ");
    });
  });
  thread.note("second ");
  thread.note("third ");
  thread.context.run();
  CHECK(taken);
  CHECK(thread.order == "first second third end later ");
}

TEST_CASE("mailbox: only a server's thread has turns, and only while it is open") {
  ServerThread thread;
  const auto never = [] { FAIL("the task was kept"); };
  CHECK_FALSE(Mailbox::at_end_of_turn(never));
  {
    const Mailbox::Scope scope(thread.box);
    thread.box.close();
    CHECK_FALSE(Mailbox::at_end_of_turn(never));
  }
  thread.context.run();
}

TEST_CASE("mailbox: a thread that serves two turns has each server's own") {
  ServerThread outer, inner;
  const Mailbox::Scope first(outer.box);
  {
    const Mailbox::Scope second(inner.box);
    CHECK(Mailbox::at_end_of_turn([&] { inner.order += "inner"; }));
  }
  CHECK(Mailbox::at_end_of_turn([&] { outer.order += "outer"; }));
  outer.context.run();
  CHECK(outer.order + inner.order == "outer");
  inner.context.run();
  CHECK(inner.order == "inner");
}

}  // namespace mlforge::http::test
