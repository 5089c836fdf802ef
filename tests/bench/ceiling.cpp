// The bare ceiling: what this machine gives to anything that takes JSON over HTTP and answers once
// it is on disk. Boost.Beast on one thread, simdjson, LMDB with its default sync on one writer
// thread, one sync per group: while one group syncs, the next gathers. No events, no checks, no
// hashes. It shares no code with mlforge.
//   POST <anything>  parses the body, appends it, answers {"position":N} once it is synced
//   GET /empty       200 without a body; touches nothing
//   GET /stats       {"appends":N,"commits":N}
// `--scan` instead reads the folder back in order, parsing every body, and prints
// {"records":N,"seconds":S}.
#include <lmdb.h>
#include <simdjson.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

namespace {

constexpr std::size_t kHeaderBytes = 200;  // stands for the header of a real event record
constexpr std::size_t kMapBytes = std::size_t{64} << 30;

void check(int rc, const char* what) {
  if (rc == 0) return;
  std::fprintf(stderr, "%s: %s\n", what, mdb_strerror(rc));
  std::_Exit(1);  // a figure after a failed write would be false
}

// An LMDB environment with one table: position -> header and body.
class Store {
 public:
  explicit Store(const std::string& dir) {
    mkdir(dir.c_str(), 0755);
    check(mdb_env_create(&env_), "mdb_env_create");
    check(mdb_env_set_mapsize(env_, kMapBytes), "mdb_env_set_mapsize");
    check(mdb_env_open(env_, dir.c_str(), MDB_NOTLS, 0644), "mdb_env_open");
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, 0, &txn), "mdb_txn_begin");
    check(mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &dbi_), "mdb_dbi_open");
    MDB_stat stat{};
    check(mdb_stat(txn, dbi_, &stat), "mdb_stat");
    head_ = stat.ms_entries;
    check(mdb_txn_commit(txn), "mdb_txn_commit");
  }
  ~Store() { mdb_env_close(env_); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  void begin() { check(mdb_txn_begin(env_, nullptr, 0, &txn_), "mdb_txn_begin"); }
  std::uint64_t put(std::string_view body) {
    std::size_t position = ++head_;
    MDB_val key{sizeof position, &position};
    MDB_val value{kHeaderBytes + body.size(), nullptr};
    check(mdb_put(txn_, dbi_, &key, &value, MDB_APPEND | MDB_RESERVE), "mdb_put");
    auto* record = static_cast<char*>(value.mv_data);
    std::memset(record, 'h', kHeaderBytes);
    std::memcpy(record + kHeaderBytes, body.data(), body.size());
    return position;
  }
  void commit() { check(mdb_txn_commit(txn_), "mdb_txn_commit"); }

  // Reads all records in order and parses their bodies; answers how many there are.
  std::uint64_t scan() {
    check(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn_), "mdb_txn_begin");
    MDB_cursor* cursor = nullptr;
    check(mdb_cursor_open(txn_, dbi_, &cursor), "mdb_cursor_open");
    simdjson::dom::parser parser;
    std::uint64_t records = 0;
    MDB_val key, value;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
      const auto* body = static_cast<const char*>(value.mv_data) + kHeaderBytes;
      if (parser.parse(body, value.mv_size - kHeaderBytes).error() == simdjson::SUCCESS) ++records;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn_);
    return records;
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
  MDB_txn* txn_ = nullptr;
  std::uint64_t head_ = 0;
};

class Session;
using Group = std::vector<std::shared_ptr<Session>>;

// The writer thread: takes whatever has gathered, writes and syncs it as one group, answers it on
// the IO thread.
class Writer {
 public:
  Writer(Store& store, asio::io_context& io) : store_(store), io_(io), thread_([this] { run(); }) {}
  ~Writer() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void gather(std::shared_ptr<Session> session) { gathered_.push_back(std::move(session)); }
  // Hands over what was gathered since the last call. One lock for all requests of one turn of the
  // IO loop.
  void hand_over() {
    if (gathered_.empty()) return;
    {
      std::lock_guard lock(mutex_);
      for (auto& s : gathered_) queue_.push_back(std::move(s));
    }
    gathered_.clear();
    wake_.notify_one();
  }
  std::uint64_t appends() const { return appends_; }
  std::uint64_t commits() const { return commits_; }

 private:
  void run();

  Store& store_;
  asio::io_context& io_;
  Group gathered_;  // IO thread only
  std::mutex mutex_;
  std::condition_variable wake_;
  Group queue_;
  bool stopping_ = false;
  std::atomic<std::uint64_t> appends_{0}, commits_{0};
  std::thread thread_;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Writer& writer, simdjson::dom::parser& json)
      : socket_(std::move(socket)), writer_(writer), json_(json) {
    socket_.set_option(tcp::no_delay(true));
    buffer_.reserve(128 * 1024);
    body_.reserve(4096);
  }

  void read() {
    body_.clear();
    parser_.emplace(std::piecewise_construct, std::forward_as_tuple(std::move(body_)));
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](boost::beast::error_code error, std::size_t) {
                       if (!error) self->handle();
                     });
  }

  const std::string& body() const { return body_; }
  std::uint64_t position = 0;  // set by the writer, which owns the session's body meanwhile

  void answer_position() { answer("200 OK", "{\"position\":" + std::to_string(position) + "}"); }

 private:
  void handle() {
    auto& request = parser_->get();
    body_ = std::move(request.body());
    keep_alive_ = request.keep_alive();
    if (request.method() == http::verb::post) {
      if (json_.parse(body_).error() != simdjson::SUCCESS)
        return answer("400 Bad Request", "{\"error\":\"The body must be JSON.\"}");
      return writer_.gather(shared_from_this());
    }
    if (request.target() == "/empty") return answer("200 OK", "");
    if (request.target() == "/stats")
      return answer("200 OK", "{\"appends\":" + std::to_string(writer_.appends()) +
                                  ",\"commits\":" + std::to_string(writer_.commits()) + "}");
    answer("404 Not Found", "{\"error\":\"There is POST, GET /empty and GET /stats.\"}");
  }

  void answer(std::string_view status, std::string_view body) {
    out_.assign("HTTP/1.1 ").append(status);
    if (!body.empty()) out_.append("\r\nContent-Type: application/json");
    out_.append("\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\n\r\n");
    out_.append(body);
    asio::async_write(socket_, asio::buffer(out_),
                      [self = shared_from_this()](boost::beast::error_code error, std::size_t) {
                        if (!error && self->keep_alive_) self->read();
                      });
  }

  tcp::socket socket_;
  Writer& writer_;
  simdjson::dom::parser& json_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::string body_, out_;
  bool keep_alive_ = true;
};

void Writer::run() {
  while (true) {
    auto group = std::make_shared<Group>();
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      group->swap(queue_);
    }
    store_.begin();
    for (auto& session : *group) session->position = store_.put(session->body());
    store_.commit();
    appends_ += group->size();
    ++commits_;
    asio::post(io_, [group] {
      for (auto& session : *group) session->answer_position();
    });
  }
}

void accept(tcp::acceptor& acceptor, Writer& writer, simdjson::dom::parser& json) {
  acceptor.async_accept([&](boost::beast::error_code error, tcp::socket socket) {
    if (!error) std::make_shared<Session>(std::move(socket), writer, json)->read();
    if (acceptor.is_open()) accept(acceptor, writer, json);
  });
}

int serve(Store& store, const std::string& host, unsigned short port) {
  asio::io_context io{1};
  Writer writer(store, io);
  simdjson::dom::parser json;
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::make_address(host), port));
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](auto, int) { io.stop(); });
  accept(acceptor, writer, json);
  std::printf("listening on http://%s:%d\n", host.c_str(), acceptor.local_endpoint().port());
  std::fflush(stdout);
  while (io.run_one() > 0) {
    for (int turn = 0; turn < 24 && io.poll_one() > 0;) ++turn;
    writer.hand_over();
  }
  return 0;
}

int scan(Store& store) {
  const auto begin = std::chrono::steady_clock::now();
  const auto records = store.scan();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("{\"records\":%llu,\"seconds\":%.4f}\n", static_cast<unsigned long long>(records),
              took.count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string data, listen = "127.0.0.1:0";
  bool scans = false;
  CLI::App app{"The bare ceiling: HTTP, JSON, LMDB with group commit, and nothing else"};
  app.add_option("--data", data, "folder, made when it is missing")->required();
  app.add_option("--listen", listen, "HOST:PORT, port 0 for a free one");
  app.add_flag("--scan", scans, "read all records back instead of serving");
  CLI11_PARSE(app, argc, argv);
  const auto colon = listen.rfind(':');
  if (colon == std::string::npos) {
    std::fprintf(stderr, "--listen must look like 127.0.0.1:0.\n");
    return 2;
  }
  Store store(data);
  if (scans) return scan(store);
  try {
    return serve(store, listen.substr(0, colon),
                 static_cast<unsigned short>(std::atoi(listen.c_str() + colon + 1)));
  } catch (const boost::system::system_error& e) {
    std::fprintf(stderr, "--listen %s: %s\n", listen.c_str(), e.what());
    return 1;
  }
}
