// Decides in memory what an append() writes: checks requests, gives positions, versions, times and
// ids. Both logs share it. The writer's thread only, but for find_command().
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "storage/command_window.hpp"
#include "storage/log.hpp"
#include "storage/version_cache.hpp"

namespace mlforge::storage {

class AppendPlanner {
 public:
  AppendPlanner(std::shared_ptr<Clock> clock, std::shared_ptr<IdSource> ids,
                VersionCache::Lookup durable_version, std::size_t cached_streams);

  // Where the log stands when it is opened.
  void start(Position head, TimeUs last_time);
  CommandWindow& commands() { return commands_; }

  // Plans all requests as one batch; later ones see the earlier. `answers` gets one answer a
  // request. Answers the events to write, as views into the requests, valid until the next plan().
  // Exactly one commit() or abandon() must follow.
  std::span<const EventView> plan(std::span<const AppendRequest> requests,
                                  std::vector<Expected<Appended>>& answers);

  // Of the streams of the events that plan() has answered, one for each; until commit() or
  // abandon().
  std::span<TailPlace* const> tail_places() const { return tail_places_; }

  // After the batch is on disk: versions, command ids, head and time advance.
  void commit();
  // The batch was not written: nothing has changed. (Ids that were drawn stay unused.)
  void abandon();

  std::optional<Appended> find_command(StreamName command) const { return commands_.find(command); }

 private:
  Expected<Appended> plan_request(const AppendRequest& request, std::uint32_t command_hash);
  Status check_expectations(const AppendRequest& request);
  Status check_streams(const AppendRequest& request);
  void plan_event(const AppendRequest& request, const NewEvent& event, VersionCache::Entry& stream);
  void begin(std::size_t requests);
  std::optional<Appended> known_outcome(const AppendRequest& request,
                                        std::uint32_t command_hash) const;
  std::size_t staged_slot(StreamName command, std::uint32_t hash) const;

  std::shared_ptr<Clock> clock_;
  std::shared_ptr<IdSource> ids_;
  VersionCache versions_;
  CommandWindow commands_;
  Position head_ = 0;
  TimeUs last_time_ = 0;
  TimeUs batch_time_ = 0;
  std::vector<EventView> events_;
  std::vector<TailPlace*> tail_places_;        // of the events
  std::vector<VersionCache::Entry*> streams_;  // of the events of the request under way
  std::vector<CommandWindow::Outcome> outcomes_;
  std::vector<std::uint32_t> command_hashes_;  // of the requests
  // A table of open addresses: where in outcomes_ a command of this batch stands, plus one. Its
  // size is a power of two, at least twice the number of requests.
  std::vector<std::uint32_t> staged_commands_;
};

}  // namespace mlforge::storage
