#include "gateway/demo_folder.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "actors/prediction_spool.hpp"
#include "events/event_codec.hpp"
#include "storage/data_folder.hpp"
#include "storage/lmdb_log.hpp"

namespace mlforge::gateway {
namespace {

namespace fs = std::filesystem;

Error refusal(const std::string& why, const std::string& folder) {
  return {ErrorCode::conflict,
          fmt::format("{}: name another folder with --data-dir, delete it with --force, or by hand "
                      "with: rm -r {}",
                      why, folder),
          "data_dir"};
}

std::vector<std::string> arguments_of(int pid) {
  std::ifstream in(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  std::vector<std::string> out;
  for (std::string each; std::getline(in, each, '\0');) out.push_back(each);
  return out;
}

// Whether the process is a server on this folder: its number may be somebody else's by now.
bool is_our_server(int pid, const fs::path& folder) {
  const auto arguments = arguments_of(pid);
  const auto named = std::find(arguments.begin(), arguments.end(), "--data-dir");
  if (arguments.size() < 2 || arguments[1] != "serve" || named == arguments.end() ||
      named + 1 == arguments.end())
    return false;
  std::error_code bad;
  const auto from = fs::read_symlink(fmt::format("/proc/{}/cwd", pid), bad);
  return !bad && fs::equivalent(from / *(named + 1), folder, bad);
}

// It is no child of ours, so there is nothing to wait on but its absence. Answers its process id.
Expected<int> stop_earlier_server(const fs::path& folder) {
  int pid = 0;
  std::ifstream(folder / kDemoPidFile) >> pid;
  if (pid <= 0 || !is_our_server(pid, folder)) return 0;
  ::kill(pid, SIGTERM);
  for (int i = 0; i < 600; ++i) {
    if (!is_our_server(pid, folder)) return pid;
    ::usleep(50000);
  }
  return Error{ErrorCode::conflict,
               fmt::format("the server of the earlier demo (process {}) does not stop", pid), ""};
}

bool are_the_demos(const PredictionsLogged& predictions) {
  return std::all_of(predictions.request_ids.begin(), predictions.request_ids.end(),
                     [](const std::string& id) { return id.starts_with("demo-"); });
}

// What the demo asks for, and what the server does by itself on account of that.
bool is_the_demos(const EventView& e) {
  if (e.actor == "demo" || e.actor == "mlforge" || e.actor == "subscriptions" ||
      e.actor.starts_with("rule:") || e.actor.starts_with("pipeline:"))
    return true;
  if (!e.actor.starts_with("endpoint:") || e.expired) return false;
  const auto event = decode_event(e);
  const auto* predictions = event ? get_if<PredictionsLogged>(&*event) : nullptr;
  return predictions && are_the_demos(*predictions);
}

// What stands in no event: answers that a killed server had not written down, and backups.
Expected<std::string> find_beside_log(const storage::Log& log, const fs::path& folder) {
  const auto waiting = actors::read_spool(folder / "predictions", log, "default");
  if (!waiting) return waiting.error();
  for (const auto& each : *waiting)
    if (!are_the_demos(each.row)) return "predictions of " + each.endpoint;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder / "backups", none))
    return "the backup " + entry.path().string();
  return std::string();
}

Status check_events(const Config& config) {
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t(config.log_map_gib) << 30;
  const auto log = storage::open_lmdb_log(config.data_dir, options);
  if (!log && log.error().code == ErrorCode::conflict) return log.error();
  if (!log)
    return refusal("what the folder holds cannot be read (" + log.error().message + ")",
                   config.data_dir);
  std::string foreign;
  const auto read = (*log)->read(1, UINT64_MAX, [&foreign](const EventView& e) {
    if (!is_the_demos(e)) foreign = fmt::format("event {}, {} by {}", e.position, e.type, e.actor);
    return foreign.empty();
  });
  const auto beside = find_beside_log(**log, config.data_dir);
  if (foreign.empty() && beside) foreign = *beside;
  if (!foreign.empty())
    return refusal(fmt::format("the folder '{}' holds what is not the demo's (the first: {})",
                               config.data_dir, foreign),
                   config.data_dir);
  if (!read || !beside)
    return refusal("what the folder holds cannot be read (" +
                       (read ? beside.error() : read.error()).message + ")",
                   config.data_dir);
  return {};
}

// Under the folder's lock, which stays: a server that starts meanwhile finds the folder taken.
Status empty_folder(const fs::path& folder) {
  const auto lock = storage::DataFolder::open_existing(folder);
  if (!lock) return lock.error();
  std::error_code bad;
  // The header goes last, so that what is left of an interruption is still known as ours.
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder, bad)) entries.push_back(entry.path());
  for (const auto& each : entries)
    if (each.filename() != "LOCK" && each.filename() != "FORMAT" && !bad) fs::remove_all(each, bad);
  if (!bad) fs::remove(folder / "FORMAT", bad);
  if (!bad) return {};
  return Error{ErrorCode::internal,
               fmt::format("the folder '{}' cannot be emptied: {}", folder.string(), bad.message()),
               "data_dir"};
}

bool holds_nothing(const fs::path& folder) {
  std::error_code bad;
  if (!fs::exists(folder, bad)) return true;
  for (const auto& entry : fs::directory_iterator(folder, bad))
    if (entry.path().filename() != "LOCK") return false;
  return !bad;
}

}  // namespace

Status clear_demo_folder(const Config& config, bool force) {
  const fs::path folder = config.data_dir;
  std::error_code bad;
  if (holds_nothing(folder)) return {};
  if (!fs::exists(folder / "FORMAT", bad))
    return Error{ErrorCode::conflict,
                 fmt::format("'{}' is no data folder of mlforge and not empty: name another one "
                             "with --data-dir",
                             config.data_dir),
                 "data_dir"};
  const auto stopped = stop_earlier_server(folder);
  if (!stopped) return stopped.error();
  auto refused = force ? Status{} : check_events(config);
  if (!refused) return empty_folder(folder);
  if (*stopped > 0)
    refused->message += fmt::format(
        ". The earlier demo's server (process {}) has been stopped; mlforge serve "
        "--data-dir {} starts it again",
        *stopped, config.data_dir);
  return refused;
}

}  // namespace mlforge::gateway
