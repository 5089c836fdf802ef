// What the tests of the logs share: a folder of their own, a clock that is set by hand, short ways
// to make requests.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "storage/lmdb_log.hpp"
#include "storage/memory_log.hpp"

namespace mlforge::storage {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mlforge-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct ManualClock final : Clock {
  TimeUs time = 1'750'000'000'000'000;
  TimeUs now() override { return time; }
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline NewEvent event(std::string stream, std::string payload = "{}") {
  NewEvent e;
  e.stream = std::move(stream);
  e.type = "run.metrics_logged";
  e.payload = std::move(payload);
  return e;
}

inline AppendRequest request(std::vector<NewEvent> events, std::string command_id = "") {
  AppendRequest r;
  r.tenant = "acme";
  r.actor = "ann";
  r.command_id = std::move(command_id);
  r.events = std::move(events);
  return r;
}

inline Expected<Appended> append(Log& log, const AppendRequest& one) {
  return log.append({&one, 1}).front();
}

inline Appended must_append(Log& log, const AppendRequest& one) {
  const auto answer = append(log, one);
  INFO((answer ? std::string() : answer.error().message));
  REQUIRE(answer);
  return *answer;
}

inline std::vector<Envelope> read_all(const Log& log, Position from = 1,
                                      std::uint64_t limit = ~0ull) {
  std::vector<Envelope> events;
  const auto done = log.read(from, limit, [&](const EventView& e) {
    events.emplace_back(e);
    return true;
  });
  INFO((done ? std::string() : done.error().message));
  REQUIRE(done);
  return events;
}

inline std::vector<Envelope> read_stream(const Log& log, std::string_view stream,
                                         std::uint64_t from = 1, std::uint64_t limit = ~0ull,
                                         Position as_of = ~0ull, std::string_view tenant = "acme") {
  std::vector<Envelope> events;
  const auto done = log.read_stream(tenant, stream, from, limit, as_of, [&](const EventView& e) {
    events.emplace_back(e);
    return true;
  });
  INFO((done ? std::string() : done.error().message));
  REQUIRE(done);
  REQUIRE(*done == (events.empty() ? 0 : events.back().version));
  return events;
}

// The two logs, made, used and reopened in the same way.
class MemoryLogFixture {
 public:
  static constexpr bool kDurable = false;
  Log& log() { return log_; }
  void reopen() {}  // nothing is durable, so a reopened one is the same one
  bool index() { return true; }
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();

 private:
  MemoryLog log_{clock, seeded_ids(1)};
};

class LmdbLogFixture {
 public:
  static constexpr bool kDurable = true;
  LmdbLogFixture() { open(); }
  explicit LmdbLogFixture(bool open_now) {
    if (open_now) open();
  }
  Log& log() { return *log_; }
  LmdbLog& lmdb() { return *log_; }
  const std::filesystem::path& path() const { return folder_.path(); }
  LmdbLogOptions options() const {
    LmdbLogOptions options;
    options.map_bytes = 256 << 20;
    options.clock = clock;
    options.ids = seeded_ids(1);
    return options;
  }
  void close() { log_.reset(); }
  void open() { open(options()); }
  void open(const LmdbLogOptions& options) {
    auto opened = open_lmdb_log(path(), options);
    INFO((opened ? std::string() : opened.error().message));
    REQUIRE(opened);
    log_ = std::move(*opened);
  }
  void reopen() {
    close();
    open();
  }
  bool index() { return log_->index_some().has_value(); }
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();

 private:
  TemporaryFolder folder_;
  std::unique_ptr<LmdbLog> log_;
};

// Small, so that a few events are segments of several frames.
inline SegmentLimits small_segments() {
  return {.frame_bytes = 700, .frame_events = 3, .segment_bytes = 4000, .segment_events = 7};
}

inline void archive_all(LmdbLog& log, Position last = ~0ull) {
  for (;;) {
    const auto report = log.archive_some(last);
    INFO((report ? std::string() : report.error().message));
    REQUIRE(report);
    if (report->events == 0) return;
  }
}

// Has everything but the last event in segments, after each append.
class ArchivedLogFixture {
 public:
  static constexpr bool kDurable = true;
  ArchivedLogFixture() { f_.open(options()); }
  Log& log() {
    archiving_.to = &f_.lmdb();
    return archiving_;
  }
  LmdbLog& lmdb() { return f_.lmdb(); }
  const std::filesystem::path& path() const { return f_.path(); }
  LmdbLogOptions options() const {
    auto options = f_.options();
    options.segments = small_segments();
    return options;
  }
  void close() { f_.close(); }
  void reopen() {
    f_.close();
    f_.open(options());
  }
  bool index() { return f_.index(); }

 private:
  struct Archiving final : Log {
    LmdbLog* to = nullptr;
    std::vector<Expected<Appended>> append(std::span<const AppendRequest> requests) override {
      auto answers = to->append(requests);
      // Not each of many thousand: a segment of seven events costs several syncs.
      if (!to->writable() && to->head() < 1000) archive_all(*to);
      return answers;
    }
    Position head() const override { return to->head(); }
    Expected<Position> read(Position from, std::uint64_t limit,
                            const Visitor& visit) const override {
      return to->read(from, limit, visit);
    }
    Expected<Position> read_records(Position from, std::uint64_t limit,
                                    const RecordVisitor& visit) const override {
      return to->read_records(from, limit, visit);
    }
    Expected<std::uint64_t> read_stream(std::string_view tenant, std::string_view stream,
                                        std::uint64_t from, std::uint64_t limit, Position as_of,
                                        const Visitor& visit) const override {
      return to->read_stream(tenant, stream, from, limit, as_of, visit);
    }
    Expected<std::uint64_t> stream_version(std::string_view tenant,
                                           std::string_view stream) const override {
      return to->stream_version(tenant, stream);
    }
    std::optional<Appended> find_command(std::string_view tenant,
                                         std::string_view command_id) const override {
      return to->find_command(tenant, command_id);
    }
    Position position_at(TimeUs time) const override { return to->position_at(time); }
    Status writable() const override { return to->writable(); }
    Uuid log_id() const override { return to->log_id(); }
  };
  LmdbLogFixture f_{false};
  Archiving archiving_;

 public:
  std::shared_ptr<ManualClock> clock = f_.clock;
};

}  // namespace mlforge::storage
