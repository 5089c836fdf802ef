// Pages of events beside a record that is damaged.
#include "gateway/event_filter.hpp"

#include <catch2/catch.hpp>

#include "storage/memory_log.hpp"

namespace mlforge::gateway {
namespace {

// A log in memory with one record that cannot be read.
class DamagedLog final : public storage::Log {
 public:
  explicit DamagedLog(Position damaged) : damaged_(damaged) {}

  void add(const std::string& stream) {
    storage::AppendRequest request{.tenant = "default", .actor = "ann"};
    request.events.push_back({.stream = stream, .type = "run.started", .payload = "{}"});
    REQUIRE(memory_.append({&request, 1}).at(0));
  }

  std::vector<Expected<storage::Appended>> append(
      std::span<const storage::AppendRequest> requests) override {
    return memory_.append(requests);
  }
  Expected<Position> read(Position from, std::uint64_t limit,
                          const storage::Visitor& visit) const override {
    return checked(memory_.read(from, limit, stopping(visit)));
  }
  Expected<Position> read_records(Position from, std::uint64_t limit,
                                  const storage::RecordVisitor& visit) const override {
    return memory_.read_records(from, limit, visit);
  }
  Expected<std::uint64_t> read_stream(std::string_view tenant, std::string_view stream,
                                      std::uint64_t from, std::uint64_t limit, Position as_of,
                                      const storage::Visitor& visit) const override {
    return checked(memory_.read_stream(tenant, stream, from, limit, as_of, stopping(visit)));
  }
  Position head() const override { return memory_.head(); }
  Expected<std::uint64_t> stream_version(std::string_view tenant,
                                         std::string_view stream) const override {
    return memory_.stream_version(tenant, stream);
  }
  std::optional<storage::Appended> find_command(std::string_view, std::string_view) const override {
    return std::nullopt;
  }
  Position position_at(TimeUs time) const override { return memory_.position_at(time); }
  Status writable() const override { return memory_.writable(); }
  Uuid log_id() const override { return memory_.log_id(); }

 private:
  storage::Visitor stopping(const storage::Visitor& visit) const {
    met_ = false;
    return [this, &visit](const EventView& e) {
      met_ = e.position == damaged_;
      return !met_ && visit(e);
    };
  }
  template <class T>
  Expected<T> checked(Expected<T> read) const {
    if (met_) return Error{ErrorCode::corrupt, "The record is damaged.", ""};
    return read;
  }

  storage::MemoryLog memory_;
  Position damaged_;
  mutable bool met_ = false;
};

// Positions 1 to 9, in turn of run/a and run/b; 5 is damaged, and of run/a.
struct Fixture {
  DamagedLog log{5};
  Fixture() {
    for (int i = 0; i < 9; ++i) log.add(i % 2 ? "run/b" : "run/a");
  }
  Expected<EventPage> page(const std::string& stream, Position from) const {
    const EventFilter filter{.tenant = "default", .stream = stream};
    return read_events(log, filter, from, log.head(), 100, 1 << 20);
  }
};

}  // namespace

TEST_CASE("events: a stream is read up to a damaged record, and on behind it") {
  const Fixture f;
  for (const Position from : {1, 2, 3, 4}) {
    CAPTURE(from);
    const auto all = f.page("", from), one = f.page("run/a", from);
    REQUIRE(all);
    REQUIRE(one);
    CHECK(all->next_from == 5);
    CHECK(one->next_from <= 5);
    CHECK(one->count == (from == 1 ? 2u : from < 4 ? 1u : 0u));
  }
  CHECK(f.page("", 5).error().code == ErrorCode::corrupt);
  CHECK(f.page("run/a", 5).error().code == ErrorCode::corrupt);
  for (const Position from : {6, 7}) {
    CAPTURE(from);
    const auto behind = f.page("run/a", from);
    REQUIRE(behind);
    CHECK(behind->count == 2);
    CHECK(behind->next_from == 10);
  }
}

TEST_CASE("events: a damaged record of another stream is in nobody's way") {
  const Fixture f;
  const auto page = f.page("run/b", 1);
  REQUIRE(page);
  CHECK(page->count == 4);
  CHECK(page->next_from == 10);
}

}  // namespace mlforge::gateway
