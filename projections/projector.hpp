// Drives the projections: reads the log, applies each event once to whoever has not seen it yet.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "projections/batch_observer.hpp"
#include "projections/projection.hpp"
#include "projections/view_store.hpp"
#include "storage/log.hpp"

namespace mlforge::projections {

struct ProjectionStatus {
  std::string name;
  std::uint64_t version = 0;  // of its code
  Position position = 0;      // the last event that its rows reflect
  bool failed = false;        // it threw: it stays where it is until it is rebuilt or reopened
  std::string error;
  Position failed_at = 0;  // the event that it threw at
  static constexpr auto fields() {
    return FieldList{field("name", &ProjectionStatus::name),
                     field("version", &ProjectionStatus::version),
                     field("position", &ProjectionStatus::position),
                     field("failed", &ProjectionStatus::failed),
                     field("error", &ProjectionStatus::error),
                     field("failed_at", &ProjectionStatus::failed_at)};
  }
};

struct EngineOptions {
  // At most so many in one write transaction; fewer where their rows are large.
  std::uint64_t batch_events = 20'000;
};

// The log and the store must outlive the engine. One thread at a time calls catch_up and rebuild;
// the rest may be called from any thread, also meanwhile.
class ProjectionEngine {
 public:
  using Progress = std::function<void(Position reached, Position head)>;

  // Throws away rows that are not of this log (another log id, a position beyond its head: all
  // rows) or not of this code (another version: that projection's rows). catch_up then rebuilds.
  static Expected<std::unique_ptr<ProjectionEngine>> open(
      const storage::Log& log, ViewStore& store,
      std::vector<std::unique_ptr<Projection>> projections = all_projections(),
      EngineOptions options = {});

  // Who is told of every batch from here on; must outlive the engine. Before catch_up is called by
  // another thread.
  void observe(BatchObserver* observer) { observer_ = observer; }

  // Applies at most `max_events` events of what the log holds when called. Answers position().
  // A projection that throws keeps its rows of all events before that one, is marked as failed and
  // stops no other. An error (log or disk) leaves the views at the last finished batch; the call
  // may be repeated. Ends early, without an error, where `stop` answers true before a batch.
  Expected<Position> catch_up(std::uint64_t max_events = UINT64_MAX,
                              const std::function<bool()>& stop = {});

  // The position that all healthy projections have reached (of all, where none is healthy).
  Position position() const { return position_.load(std::memory_order_acquire); }
  // Of one projection; 0 where there is none of this name.
  Position position(std::string_view name) const;
  std::vector<ProjectionStatus> statuses() const;
  // How many events of a known type did not decode; projections saw them as UnknownEvent.
  std::uint64_t undecodable() const { return undecodable_.load(std::memory_order_relaxed); }

  // Throws the rows of one projection (empty: of all) away and applies the log anew, also to one
  // that failed. `progress` may be empty; it is called after every batch. not_found: no projection
  // of this name.
  Status rebuild(std::string_view name, const Progress& progress);

  // ViewReader::digest of a fresh snapshot. not_found: no projection of this name.
  Expected<std::string> digest(std::string_view name) const;

 private:
  struct Slot {
    std::unique_ptr<Projection> projection;
    ViewWriter writer;
    ProjectionStatus status;  // as of the last finished batch
    Position reached = 0;     // inside the batch
    std::string error;        // inside the batch: what it threw at reached + 1
    bool failed = false;
    std::vector<bool> wanted;  // by the type's place in the variant
  };

  ProjectionEngine(const storage::Log& log, ViewStore& store, EngineOptions options)
      : log_(log), store_(store), options_(options) {}
  Status check_log();
  Status check_versions();
  Status wipe(Slot& slot);
  Expected<bool> wipe_some(Slot& slot, std::uint64_t version, std::size_t rows);
  Status run_batch(Position from, std::uint64_t limit);
  void apply(Slot& slot, const EventView& envelope, const Event& event);
  const Event& decode(const EventView& envelope);
  void apply_to_all(const EventView& envelope);
  bool is_batch_full() const;
  Status replay_before_failure(Slot& slot);
  Status store_batch(MDB_txn* txn);
  void abandon_batch();
  void publish();
  Position next_position() const;
  Position last_reached() const;
  Slot* find(std::string_view name);

  const storage::Log& log_;
  ViewStore& store_;
  EngineOptions options_;
  std::vector<Slot> slots_;
  std::vector<std::vector<Slot*>> wanting_;  // by the type's place: who is to see its events
  // In a batch that begins with what all healthy ones are to see next, `passed_` stands for what
  // each has reached until the batch is read.
  bool in_step_ = false;
  Position passed_ = 0;
  BatchObserver* observer_ = nullptr;
  EventDecoder decoder_{columns::Personal::left_out};  // no read model keeps what is personal
  Event undecoded_;
  std::atomic<Position> position_{0};
  std::atomic<std::uint64_t> undecodable_{0};
  mutable std::mutex mutex_;  // guards published_
  std::vector<ProjectionStatus> published_;
};

}  // namespace mlforge::projections
