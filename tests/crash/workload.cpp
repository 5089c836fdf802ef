#include "tests/crash/workload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include "events/retention.hpp"
#include "storage/log_keys.hpp"
#include "storage/verify.hpp"
#include "tests/projections/fixture.hpp"

namespace mlforge::crash {
namespace fs = std::filesystem;
using namespace mlforge::storage;
using projections::ProjectionEngine;
using projections::ViewStore;

namespace {

constexpr std::size_t kMapBytes = 32 << 20;

// Tests that cannot go on; find_fault() answers instead.
template <class T>
T must(Expected<T> value) {
  if (!value) throw std::runtime_error(value.error().message);
  return std::move(*value);
}

void must(const Status& status) {
  if (status) throw std::runtime_error(status->message);
}

NewEvent large_event(std::mt19937_64& random) {
  NewEvent event;
  event.stream = fmt::format("later/{}", random() % 3);
  event.type = "later.happened";
  event.payload.resize(500 + random() % 8000);
  for (char& c : event.payload) c = static_cast<char>('a' + random() % 26);
  return event;
}

std::unique_ptr<ViewStore> open_views(const fs::path& folder, const std::string& boot_id) {
  return must(ViewStore::open(folder, {.map_bytes = kMapBytes, .boot_id = boot_id}));
}

std::unique_ptr<ProjectionEngine> open_engine(const Log& log, ViewStore& store) {
  return must(ProjectionEngine::open(log, store));
}

void append_all(LmdbLog& log, std::span<const Batch> batches, SimulatedDisk& disk, History& history,
                const std::function<void(std::size_t)>& after) {
  for (std::size_t i = 0; i < batches.size(); ++i) {
    for (const auto& answer : log.append(batches[i])) must(answer);
    history.acknowledged.push_back({disk.size(), log.head()});
    after(i);
  }
}

}  // namespace

namespace {

NewEvent prediction(std::mt19937_64& random) {
  PredictionsLogged p;
  for (auto n = 1 + random() % 4; n > 0; --n) {
    p.request_ids.push_back(fmt::format("secret-{}", random()));
    p.probabilities.push_back(0.5);
    p.versions.push_back(static_cast<std::int64_t>(1 + random() % 3));
    p.challenger.push_back(static_cast<std::int64_t>(random() % 2));
    p.times.push_back(1);
  }
  return encode_event(p, "predictions/adult");
}

// Everything up to the `last`-th event.
Batch retention(Position last) {
  AppendRequest request{.tenant = std::string(kLogTenant),
                        .actor = "mlforge",
                        .command_id = fmt::format("retention-{}", last)};
  request.events = {encode_retention({.kind = "predictions", .keep = "30d", .up_to = last})};
  return {request};
}

}  // namespace

std::vector<Batch> make_batches(std::uint64_t seed, std::size_t count, Moves moves) {
  std::mt19937_64 random(seed);
  auto history = projections::test::random_history(seed, count * 12);
  auto next = history.begin();
  std::vector<Batch> batches(count);
  Position last = 0;
  for (Batch& batch : batches) {
    if (moves == Moves::payloads && (&batch - batches.data()) % 6 == 5) {
      batch = retention(last - 3);
      ++last;
      continue;
    }
    batch.resize(1 + random() % 4);
    for (AppendRequest& request : batch) {
      request.tenant = next->tenant;
      request.actor = next->actor;
      request.command_id = fmt::format("command-{}", next - history.begin());
      for (auto n = 1 + random() % 5; n > 0 && next->tenant == request.tenant; --n, ++next) {
        request.events.push_back(encode_event(next->event, next->stream));
        if (next + 1 == history.end()) throw std::runtime_error("too short a history");
      }
      if (random() % 8 == 0) request.events.push_back(large_event(random));
      if (moves == Moves::payloads) request.events.push_back(prediction(random));
      last += request.events.size();
    }
  }
  return batches;
}

LmdbLogOptions log_options(const std::string& boot_id, std::uint64_t seed) {
  LmdbLogOptions options;
  options.map_bytes = kMapBytes;
  options.clock = std::make_shared<StepClock>();
  options.ids = seeded_ids(seed);
  options.cached_streams = 8;
  options.tail_events = 60;
  options.boot_id = boot_id;
  options.segments = {
      .frame_bytes = 3000, .frame_events = 8, .segment_bytes = 9000, .segment_events = 16};
  return options;
}

namespace {

Position told_at(const std::vector<History::Acknowledged>& all, std::size_t entries) {
  Position head = 0;
  for (const auto& a : all)
    if (a.entries <= entries) head = a.head;
  return head;
}

}  // namespace

Position History::acknowledged_at(std::size_t entries) const {
  return told_at(acknowledged, entries);
}
Position History::dropped_at(std::size_t entries) const { return told_at(dropped, entries); }

std::vector<std::string> read_records(const Log& log, Position from) {
  std::vector<std::string> records;
  must(log.read_records(from, ~0ull, [&](Position, Bytes record) {
    records.emplace_back(as_text(record));
    return true;
  }));
  return records;
}

std::vector<std::string> digests_of(const ProjectionEngine& engine) {
  std::vector<std::string> digests;
  for (const auto& status : engine.statuses()) digests.push_back(must(engine.digest(status.name)));
  return digests;
}

History reference(const std::vector<Batch>& batches, std::uint64_t seed) {
  History history;
  MemoryLog log(std::make_shared<StepClock>(), seeded_ids(seed));
  projections::test::Folder folder;
  const auto store = open_views(folder.path(), "one");
  const auto engine = open_engine(log, *store);
  history.ends = {0};
  history.digests[0] = digests_of(*engine);
  for (const Batch& batch : batches) {
    for (const auto& answer : log.append(batch)) must(answer);
    must(engine->catch_up());
    history.ends.push_back(log.head());
    history.digests[log.head()] = digests_of(*engine);
  }
  history.records = read_records(log);
  return history;
}

namespace {

RetentionState retention_of(const Log& log) {
  RetentionState state;
  must(log.read_stream(kLogTenant, kRetentionStream, 1, ~0ull, ~0ull, [&](const EventView& e) {
    if (const auto applied = retention_applied(e.type, e.payload)) evolve(state, *applied);
    return true;
  }));
  return state;
}

// Answers up to where payloads of predictions are gone.
Position drop_payloads(LmdbLog& log) {
  const auto state = retention_of(log);
  const auto up_to = state.up_to.find("predictions");
  if (up_to == state.up_to.end()) return 0;
  for (const Position first : must(log.segments().list()))
    must(log.expire_segment(first, state.up_to));
  return std::min(up_to->second, log.archived());
}

}  // namespace

void run_workload(const fs::path& folder, const std::vector<Batch>& batches, std::uint64_t seed,
                  SimulatedDisk& disk, History& history, Moves moves) {
  const auto options = log_options("one", seed);
  const std::span<const Batch> all(batches);
  const std::size_t half = batches.size() / 2;
  for (const auto part : {all.first(half), all.subspan(half)}) {
    const auto log = must(open_lmdb_log(folder, options));
    const auto store = open_views(folder / "views", "one");
    const auto engine = open_engine(*log, *store);
    append_all(*log, part, disk, history, [&](std::size_t i) {
      if (i % 8 == 7) must(engine->catch_up());
      if (i % 16 == 15) must(log->index_some());
      if (moves == Moves::nothing || log->head() <= 6) return;
      must(log->archive_some(log->head() - 6));
      if (moves != Moves::payloads) return;
      const Position gone = drop_payloads(*log);
      history.dropped.push_back({disk.size(), gone});
    });
    must(engine->catch_up());
    must(store->close());
    must(log->close());
  }
}

void go_on_after_kill(const fs::path& folder, const std::vector<Batch>& batches,
                      const SimulatedDisk& disk, History& history) {
  const auto log = must(open_lmdb_log(folder, log_options("one", 77)));
  history.acknowledged.clear();
  const auto end = std::find(history.ends.begin(), history.ends.end(), log->head());
  if (end == history.ends.end()) throw std::runtime_error("a part of an append is there");
  history.ends.erase(end + 1, history.ends.end());
  history.digests.clear();
  const auto done = static_cast<std::size_t>(end - history.ends.begin());
  const auto append = [&](const Batch& batch) {
    for (const auto& answer : log->append(batch)) must(answer);
    if (history.ends.back() != log->head()) history.ends.push_back(log->head());
    history.acknowledged.push_back({disk.size(), log->head()});
  };
  if (done > 0) append(batches[done - 1]);
  if (done < batches.size()) append(batches[done]);
  history.records = read_records(*log);
}

namespace {

// A log that was opened after a crash, and what it should hold.
class Examination {
 public:
  Examination(const fs::path& folder, const History& history, const Demand& demand)
      : folder_(folder), history_(history), demand_(demand) {}

  std::string run() {
    auto opened = open_lmdb_log(folder_, log_options(demand_.boot_id, 999));
    if (!opened) return "it does not open: " + opened.error().message;
    log_ = std::move(*opened);
    if (const auto stopped = log_->writable()) return stopped->message;
    for (const auto step :
         {&Examination::records, &Examination::streams, &Examination::commands,
          &Examination::projections, &Examination::appends, &Examination::archives})
      if (std::string fault = (this->*step)(); !fault.empty()) return fault;
    log_.reset();
    return demand_.verify ? verify() : "";
  }

 private:
  std::string records() {
    const Position head = log_->head();
    if (head < demand_.acknowledged)
      return fmt::format("of {} acknowledged events {} are there", demand_.acknowledged, head);
    if (!std::count(history_.ends.begin(), history_.ends.end(), head))
      return fmt::format("a part of an append is there: it ends at {}", head);
    Position next = 1;
    std::string fault;
    const auto done = log_->read(1, ~0ull, [&](const EventView& event) {
      const auto version = ++versions_[{std::string(event.tenant), std::string(event.stream)}];
      if (event.position != next || event.version != version)
        fault = fmt::format("position {} or its version {} is out of order", next, event.version);
      ++next;
      last_ = Envelope(event);
      return fault.empty();
    });
    if (!fault.empty()) return fault;
    if (!done) return done.error().message;
    const auto found = read_records(*log_);
    const auto retention = retention_of(*log_);
    const auto up_to = retention.up_to.find("predictions");
    const Position may_go = up_to == retention.up_to.end() ? 0 : up_to->second;
    for (Position p = 1; p <= head && fault.empty(); ++p)
      fault = record(p, found.at(p - 1), history_.records.at(p - 1), may_go);
    return fault;
  }

  // A record is as it was written, or without its payload where that may be gone, and so where it
  // must be.
  std::string record(Position p, const std::string& found, const std::string& written,
                     Position may_go) const {
    EventView event;
    if (decode_record(as_bytes(written), event)) throw std::runtime_error("the reference is wrong");
    const bool is_prediction = stream_kind(event.stream) == "predictions";
    if (found == written)
      return is_prediction && p <= demand_.dropped
                 ? fmt::format("the payload of {}, which was dropped, is there again", p)
                 : "";
    const auto body = expire_body(record_salted_body(as_bytes(written)), residue(event));
    std::vector<std::uint8_t> expired;
    assemble_record(record_commitment(as_bytes(written)), body, expired);
    const bool is_right = is_prediction && p <= may_go && as_text(Bytes(expired)) == found;
    return is_right ? "" : fmt::format("record {} is another", p);
  }

  std::string streams() {
    for (const auto& [name, version] : versions_) {
      if (const auto holds = log_->stream_version(name.first, name.second);
          !holds || *holds != version)
        return fmt::format("stream {} has not {} events", name.second, version);
      const auto read = log_->read_stream(name.first, name.second, 1, ~0ull, ~0ull,
                                          [](const EventView&) { return true; });
      if (!read || *read != version) return fmt::format("stream {} does not read", name.second);
    }
    return "";
  }

  // The last request, tried again.
  std::string commands() {
    if (log_->head() == 0) return "";
    const auto known = log_->find_command(last_.tenant, last_.command_id);
    return known && known->last == log_->head() ? "" : "the last command is forgotten";
  }

  std::string projections() {
    if (!demand_.projections) return "";
    const auto store = open_views(folder_ / "views", demand_.boot_id);
    const auto engine = open_engine(*log_, *store);
    must(engine->catch_up());
    return digests_of(*engine) == history_.digests.at(log_->head()) ? ""
                                                                    : "a projection is another";
  }

  std::string appends() {
    if (!demand_.appends) return "";
    const Position head = log_->head();
    AppendRequest more{.tenant = "acme", .command_id = "after"};
    more.events.resize(2);
    for (NewEvent& event : more.events) {
      event.stream = "after/cut";
      event.type = "later.happened";
      event.payload.assign(3000, 'z');
    }
    for (int i = 0; i < 3; ++i) {
      more.command_id += "-more";
      const auto answers = log_->append({&more, 1});
      if (!answers[0]) return answers[0].error().message;
    }
    if (log_->head() != head + 6 || must(log_->stream_version("acme", "after/cut")) != 6)
      return "what was appended afterwards is not there";
    return "";
  }

  std::string archives() {
    if (!demand_.archive) return "";
    const auto before = read_records(*log_);
    const Position head = log_->head();
    while (must(log_->archive_some(head)).archived + 1 < head) {
    }
    if (read_records(*log_) != before) return "what was archived reads as something else";
    const Position gone = drop_payloads(*log_);
    std::string fault;
    must(log_->read(1, gone, [&](const EventView& e) {
      if (stream_kind(e.stream) == "predictions" && !e.expired)
        fault = fmt::format("the payload of {} was not dropped afterwards", e.position);
      return fault.empty();
    }));
    return fault;
  }

  std::string verify() {
    const auto report = verify_log(folder_);
    return report ? report->what : report.error().message;
  }

  const fs::path& folder_;
  const History& history_;
  const Demand& demand_;
  std::unique_ptr<LmdbLog> log_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> versions_;
  Envelope last_;
};

}  // namespace

std::string find_fault(const fs::path& folder, const History& history, const Demand& demand) {
  try {
    return Examination(folder, history, demand).run();
  } catch (const std::exception& failure) {
    return failure.what();
  }
}

}  // namespace mlforge::crash
