#include "gateway/copies.hpp"

#include <sstream>

#include "events/codec.hpp"
#include "storage/blob_place.hpp"
#include "storage/files.hpp"
#include "storage/line_checksum.hpp"
#include "storage/log.hpp"

namespace mlforge::gateway {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRulesCursor = "rules.cursor";

// How far the rules are: without it they would look at every event once more.
Position rules_position(const fs::path& folder, const Uuid& log_id) {
  const auto text = storage::read_small_file(folder / kRulesCursor);
  const auto line = text ? storage::checked_line(*text) : std::nullopt;
  if (!line) return 0;
  std::istringstream in{std::string(*line)};
  std::string id;
  Position position = 0;
  return in >> id >> position && id == to_string(log_id) ? position : 0;
}

Status write_rules_position(const fs::path& folder, const Uuid& log_id, Position position) {
  if (position == 0) return {};
  const auto line = to_string(log_id) + " " + std::to_string(position);
  return storage::write_file_durably(folder / kRulesCursor,
                                     line + " " + storage::line_checksum(line) + "\n");
}

Origin origin_of(const storage::Log& log, const CopyRequest& request) {
  return {.kind = request.kind,
          .log_id = to_string(log.log_id()),
          .position = request.at,
          .time = format_time(storage::system_clock()->now())};
}

// The records, and the blobs that they name.
Expected<storage::BlobsNamed> copy_events(const storage::Log& log, const CopyRequest& request,
                                          storage::LogBuilder& to) {
  storage::BlobsNamed named;
  const auto copied =
      storage::copy_records(log, request.at, to, request.progress,
                            [&](const EventView& e) { storage::add_blobs_named(e, named); });
  if (copied) return *copied;
  return named;
}

// Blobs in S3 stay there: the copy says where, and reads them there.
Expected<storage::BlobsCopied> place_blobs(const storage::BlobStore& blobs,
                                           const storage::BlobsNamed& named,
                                           const CopyRequest& request, const fs::path& to) {
  if (!blobs.remote().empty()) {
    if (auto bad = storage::copy_remote_note(request.from / "blobs", to)) return *bad;
    return storage::BlobsCopied{};
  }
  const auto target = storage::open_local_blobs(to);
  if (!target) return target.error();
  return storage::copy_blobs(named, blobs, **target, [&](auto, auto) {
    return !request.progress || request.progress(request.at, request.at);
  });
}

// Everything but the records and the blobs, then the folder's name.
Expected<Origin> finish(storage::LogBuilder& builder, Origin origin,
                        const storage::BlobsCopied& blobs, const Uuid& log_id, Position ruled) {
  origin.blobs = blobs.blobs;
  origin.blob_bytes = blobs.bytes;
  origin.missing_blobs = blobs.missing;
  const auto text = to_json(origin) + "\n";
  if (auto bad = storage::write_file_durably(builder.folder() / "ORIGIN", text)) return *bad;
  if (auto bad = write_rules_position(builder.folder(), log_id, std::min(ruled, origin.position)))
    return *bad;
  if (auto bad = builder.finish(log_id)) return *bad;
  return origin;
}

}  // namespace

Expected<Origin> read_origin(const fs::path& folder) {
  const auto text = storage::read_small_file(folder / "ORIGIN");
  if (!text) return text.error();
  return from_json<Origin>(*text, Unknown::skip);
}

Expected<Origin> copy_folder(const storage::Log& log, const storage::BlobStore& blobs,
                             const CopyRequest& request) {
  const auto origin = origin_of(log, request);
  const Position ruled = rules_position(request.from, log.log_id());
  auto builder = storage::LogBuilder::create(request.to, request.map_bytes);
  if (!builder) return builder.error();
  const auto named = copy_events(log, request, **builder);
  if (!named) return named.error();
  // Whoever watches the records may give up while the blobs are copied, too.
  const auto copied = place_blobs(blobs, *named, request, (*builder)->folder() / "blobs");
  if (!copied) return copied.error();
  // Newer than the records, they are cut back when the copy is opened.
  if (request.copy_cursors)
    if (auto bad = request.copy_cursors((*builder)->folder() / "subscriptions")) return *bad;
  return finish(**builder, origin, *copied, log.log_id(), ruled);
}

Expected<Origin> fork_folder(const storage::Log& log, const CopyRequest& request) {
  const auto origin = origin_of(log, request);
  const Position ruled = rules_position(request.from, log.log_id());
  auto builder = storage::LogBuilder::create(request.to, request.map_bytes);
  if (!builder) return builder.error();
  const auto named = copy_events(log, request, **builder);
  if (!named) return named.error();
  const auto from = request.from / "blobs", to = (*builder)->folder() / "blobs";
  if (auto bad = storage::copy_remote_note(from, to)) return *bad;
  const auto remote = storage::remote_blobs(from);
  const auto linked =
      remote && !remote->empty() ? storage::BlobsCopied{} : storage::link_blobs(*named, from, to);
  if (!linked) return linked.error();
  const auto log_id = storage::system_ids()->next(storage::system_clock()->now());
  return finish(**builder, origin, *linked, log_id, ruled);
}

}  // namespace mlforge::gateway
