#include "storage/blob_copy.hpp"

#include <fmt/format.h>

#include "events/event_codec.hpp"
#include "storage/files_named.hpp"

namespace mlforge::storage {
namespace {

constexpr std::size_t kDigits = 64, kBlockBytes = 1 << 20;

bool is_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// Whatever type the event is of: runs of exactly 64 hexadecimal digits. Such a run covers one of
// every 64th bytes, so the others are looked at only around those that are digits.
template <class Take>
void each_digest(std::string_view text, Take&& take) {
  for (std::size_t probe = kDigits - 1; probe < text.size();) {
    std::size_t at = probe, end = probe;
    while (end < text.size() && is_digit(text[end])) ++end;
    while (at > 0 && end > probe && is_digit(text[at - 1])) --at;
    if (end - at == kDigits)
      if (const auto digest = parse_digest(text.substr(at, kDigits))) take(*digest);
    probe = end + kDigits;
  }
}

bool has_files(std::string_view type) {
  return type == DatasetFileStaged::type || type == DatasetCommitted::type ||
         type == RunArtifactLogged::type || type == ModelVersionCreated::type;
}

template <class Take>
void each_file(const Event& event, Take&& take) {
  if (const auto* e = get_if<DatasetFileStaged>(&event)) take(e->digest);
  if (const auto* e = get_if<RunArtifactLogged>(&event)) take(e->digest);
  if (const auto* e = get_if<DatasetCommitted>(&event))
    for (const auto& file : e->files) take(file.digest);
  if (const auto* e = get_if<ModelVersionCreated>(&event))
    for (const auto& file : e->artifacts) take(file.digest);
}

Status copy_blob(std::string_view tenant, const Digest& digest, const BlobStore& from,
                 BlobStore& to, BlobsCopied& report) {
  auto reader = from.open(tenant, digest);
  if (!reader) return reader.error();
  auto writer = to.create(tenant);
  if (!writer) return writer.error();
  std::string block(kBlockBytes, '\0');
  const std::span<std::uint8_t> out(reinterpret_cast<std::uint8_t*>(block.data()), block.size());
  for (;;) {
    const auto n = (*reader)->read(out);
    if (!n) return n.error();
    if (*n == 0) break;
    if (auto bad = (*writer)->append(out.first(*n))) return bad;
  }
  const auto stored = (*writer)->finish();
  if (!stored) return stored.error();
  if (stored->digest != digest)
    return Error{ErrorCode::corrupt,
                 fmt::format("The bytes of blob {} do not match their digest.", to_string(digest))};
  ++report.blobs;
  report.bytes += stored->bytes;
  return {};
}

// Calls `take` for each that `from` has.
template <class Take>
Expected<BlobsCopied> each_blob(const BlobsNamed& named, const BlobStore& from, Take&& take,
                                const CopyProgress& progress) {
  BlobsCopied report;
  std::uint64_t done = 0;
  const std::uint64_t total = named.files.size() + named.others.size();
  for (const auto* names : {&named.files, &named.others})
    for (const auto& each : *names) {
      // What first looked like a digest may have been named as a file later.
      if (names == &named.others && named.files.contains(each)) continue;
      if (progress && !progress(++done, total)) return given_up();
      const auto& [tenant, digest] = each;
      const auto there = from.exists(tenant, digest);
      if (!there) return there.error();
      if (*there) {
        if (auto bad = take(tenant, digest, report)) return *bad;
      } else if (names == &named.files && report.missing++ == 0) {
        report.first_missing = to_string(digest);
      }
    }
  return report;
}

}  // namespace

void each_file_named(const EventView& e, const std::function<void(const Digest&)>& take) {
  if (!has_files(e.type) || e.expired) return;
  if (const auto event = decode_event(e))
    each_file(*event, [&](const std::string& hex) {
      if (const auto digest = parse_digest(hex)) take(*digest);
    });
}

void add_blobs_named(const EventView& e, BlobsNamed& named) {
  const std::string tenant(e.tenant);
  each_file_named(e, [&](const Digest& digest) { named.files.emplace(tenant, digest); });
  each_digest(e.payload, [&](const Digest& digest) {
    if (!named.files.contains({tenant, digest})) named.others.emplace(tenant, digest);
  });
}

Expected<BlobsNamed> blobs_named(const Log& log, Position last) {
  BlobsNamed named;
  const auto read = log.read(1, last, [&](const EventView& e) {
    add_blobs_named(e, named);
    return true;
  });
  if (!read) return read.error();
  return named;
}

Expected<BlobsCopied> copy_blobs(const BlobsNamed& named, const BlobStore& from, BlobStore& to,
                                 const CopyProgress& progress) {
  return each_blob(
      named, from,
      [&](const std::string& tenant, const Digest& digest, BlobsCopied& report) {
        return copy_blob(tenant, digest, from, to, report);
      },
      progress);
}

Expected<BlobsCopied> link_blobs(const BlobsNamed& named, const std::filesystem::path& from,
                                 const std::filesystem::path& to) {
  const auto source = look_at_local_blobs(from);
  const auto target = open_local_blobs(to);
  if (!target) return target.error();
  return each_blob(
      named, *source,
      [&](const std::string& tenant, const Digest& digest, BlobsCopied& report) -> Status {
        const auto linked = link_local_blob(from, to, tenant, digest);
        if (!linked) return linked.error();
        if (!*linked) return copy_blob(tenant, digest, *source, **target, report);
        const auto bytes = source->size(tenant, digest);
        if (!bytes) return bytes.error();
        ++report.blobs;
        report.bytes += *bytes;
        return {};
      },
      {});
}

}  // namespace mlforge::storage
