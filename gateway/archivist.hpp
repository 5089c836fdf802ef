// The thread that moves old bodies into segments, and drops those whose time is over, by the rules
// of the configuration or because somebody asked.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "gateway/archiving.hpp"
#include "gateway/config.hpp"

namespace mlforge::gateway {

struct App;

struct ArchiveRules {
  std::filesystem::path folder;
  std::uint64_t after_events = 0;  // 0: no such rule
  TimeUs after = 0;                // 0: no such rule
  std::map<std::string, std::string> retention;
};
ArchiveRules archive_rules(const Config& config);

struct ArchiveStatus {
  Position position = 0, archived = 0;
  std::string state;    // idle, running
  Position target = 0;  // what was asked for
  std::uint64_t segments = 0, segment_bytes = 0;
  std::map<std::string, std::string> retention;    // the rules
  std::map<std::string, Position> retained_up_to;  // what the log says, by kind
  std::string error;                               // of the last step, where it failed
  static constexpr auto fields() {
    return FieldList{field("position", &ArchiveStatus::position),
                     field("archived", &ArchiveStatus::archived),
                     field("state", &ArchiveStatus::state),
                     field("target", &ArchiveStatus::target),
                     field("segments", &ArchiveStatus::segments),
                     field("segment_bytes", &ArchiveStatus::segment_bytes),
                     field("retention", &ArchiveStatus::retention),
                     field("retained_up_to", &ArchiveStatus::retained_up_to),
                     field("error", &ArchiveStatus::error)};
  }
};

class Archivist {
 public:
  // Has a request written by the one writer and waits for it.
  using Append = std::function<Status(storage::AppendRequest)>;
  Archivist(storage::LmdbLog& log, storage::Clock& clock, ArchiveRules rules, Append append);
  ~Archivist() { stop(); }

  // Everything up to `last` is archived from now on, step by step. Any thread.
  void archive(Position last);
  // Decides, writes the event, and has the payloads dropped from now on. `refused` for a kind that
  // states rest on. Answers what is to be dropped. A worker's thread.
  Expected<ApplyRetention> retain(const std::string& kind, const std::string& keep,
                                  const std::string& actor);
  ArchiveStatus status() const;
  // While the token lives no payload is dropped: who copies the log up to a position must not find
  // them gone before the event that says so. Any thread.
  std::shared_ptr<void> hold();
  void stop();

 private:
  void run();
  Status step(bool& more);
  Status drop();
  Status apply_rules();
  Position rule_target() const;
  bool may_drop() const;

  storage::LmdbLog& log_;
  storage::Clock& clock_;
  ArchiveRules rules_;
  Append append_;
  std::mutex deciding_;                    // one retain() at a time
  std::map<std::string, TimeUs> applied_;  // when each rule was applied; the thread's own
  mutable std::mutex mutex_;               // guards what follows
  std::condition_variable changed_;
  Position asked_ = 0;
  bool drop_ = true;  // there may be something to drop, also from before a crash
  bool running_ = false, stopping_ = false;
  int holders_ = 0;
  std::string error_;
  std::thread thread_;  // the last to be made
};

// Waits for the writer. A worker's thread, or one of the gateway's own.
Status append_through(App& app, storage::AppendRequest request);

}  // namespace mlforge::gateway
