// What the tests of projections share: a log in memory with seeded clock and ids, a store in a
// folder that goes away, random histories.
#pragma once
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "events/event_codec.hpp"
#include "projections/projector.hpp"
#include "projections/queries.hpp"
#include "storage/memory_log.hpp"

namespace mlforge::projections::test {

inline const std::string kTenant = "acme";
inline constexpr TimeUs kStart = 1'790'000'000'000'000;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "mlforge-views-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Each look is a millisecond later.
struct StepClock final : storage::Clock {
  TimeUs time = kStart;
  TimeUs now() override { return time += 1000; }
};

inline std::unique_ptr<storage::MemoryLog> make_log(std::uint64_t seed = 1) {
  return std::make_unique<storage::MemoryLog>(std::make_shared<StepClock>(),
                                              storage::seeded_ids(seed));
}

struct Happened {
  std::string stream;
  Event event;
  std::string tenant = kTenant, actor = "ann";
};

inline Position append(storage::Log& log, const Happened& h, Uuid causation = {}) {
  storage::AppendRequest request{.tenant = h.tenant, .actor = h.actor, .causation = causation};
  request.events.push_back(encode_event(h.event, h.stream));
  const auto answers = log.append({&request, 1});
  REQUIRE(answers.at(0));
  return answers[0]->last;
}

inline std::unique_ptr<ViewStore> open_store(const std::filesystem::path& folder,
                                             const std::string& boot_id = "boot-1") {
  auto store = ViewStore::open(folder, {.map_bytes = 1ull << 30, .boot_id = boot_id});
  REQUIRE(store);
  return std::move(*store);
}

inline std::unique_ptr<ProjectionEngine> open_engine(
    const storage::Log& log, ViewStore& store, std::uint64_t batch_events = 2000,
    std::vector<std::unique_ptr<Projection>> projections = all_projections()) {
  auto engine =
      ProjectionEngine::open(log, store, std::move(projections), {.batch_events = batch_events});
  REQUIRE(engine);
  return std::move(*engine);
}

// Log, store and engine together.
struct World {
  Folder folder;
  std::unique_ptr<storage::MemoryLog> log = make_log();
  std::unique_ptr<ViewStore> store = open_store(folder.path());
  std::unique_ptr<ProjectionEngine> engine = open_engine(*log, *store);

  Position append(const std::string& stream, Event event, Uuid causation = {}) {
    return test::append(*log, {stream, std::move(event)}, causation);
  }
  // A snapshot of everything appended so far.
  ViewReader reader() {
    const auto reached = engine->catch_up();
    REQUIRE(reached);
    REQUIRE(*reached == log->head());
    auto reader = store->reader();
    REQUIRE(reader);
    return std::move(*reader);
  }
};

inline std::vector<std::string> digests(const ProjectionEngine& engine) {
  std::vector<std::string> out;
  for (const auto& status : engine.statuses()) {
    const auto digest = engine.digest(status.name);
    REQUIRE(digest);
    out.push_back(*digest);
  }
  return out;
}

// Seeded histories over few entities, with every event type, some of them out of place.
std::vector<Happened> random_history(std::uint64_t seed, std::size_t count);

// Everything that the queries can answer as of a position, as one JSON-like text per line.
std::string answers_of(ViewReader& view, const storage::Log& log, Position as_of);

}  // namespace mlforge::projections::test
