#include "storage/subject_keys.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <tuple>

#include "events/checks.hpp"
#include "events/event_codec.hpp"
#include "events/subjects.hpp"
#include "storage/crc32c.hpp"
#include "storage/verify_subject_keys.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSlotBytes = 512;
constexpr std::string_view kHeader = "mlforge subject keys 1\n";
// Offsets in a slot; little-endian. The CRC covers all bytes behind it.
constexpr std::size_t kSlotCrc = 0, kMark = 4, kState = 8, kTenantLength = 9, kSubjectLength = 10,
                      kCreated = 16, kShredded = 24, kId = 32, kSecret = 48, kNames = 80;
constexpr std::string_view kSlotMark = "SKEY";
enum class State : char { live = 1, shredded = 2 };

template <class T>
void store_bits(std::string& slot, std::size_t at, T value) {
  std::memcpy(slot.data() + at, &value, sizeof value);
}

template <class T>
T load_bits(std::string_view slot, std::size_t at) {
  T value;
  std::memcpy(&value, slot.data() + at, sizeof value);
  return value;
}

std::uint32_t crc_of(std::string_view slot) { return crc32c(as_bytes(slot.substr(kMark))); }

std::string new_slot(State state, const SealId& id) {
  std::string slot(kSlotBytes, '\0');
  slot.replace(kMark, kSlotMark.size(), kSlotMark);
  slot[kState] = static_cast<char>(state);
  std::memcpy(slot.data() + kId, id.data(), id.size());
  return slot;
}

std::string live_slot(const SubjectKey& key) {
  std::string slot = new_slot(State::live, key.id);
  slot[kTenantLength] = static_cast<char>(key.tenant.size());
  slot[kSubjectLength] = static_cast<char>(key.subject.size());
  store_bits(slot, kCreated, key.created);
  std::memcpy(slot.data() + kSecret, key.secret.data(), key.secret.size());
  slot.replace(kNames, key.tenant.size(), key.tenant);
  slot.replace(kNames + key.tenant.size(), key.subject.size(), key.subject);
  store_bits(slot, kSlotCrc, crc_of(slot));
  return slot;
}

// Neither the key nor whose it was.
std::string shredded_slot(const SealId& id, TimeUs now) {
  std::string slot = new_slot(State::shredded, id);
  store_bits(slot, kShredded, now);
  store_bits(slot, kSlotCrc, crc_of(slot));
  return slot;
}

bool is_sound(std::string_view slot) {
  const auto names = static_cast<std::uint8_t>(slot[kTenantLength]) +
                     static_cast<std::uint8_t>(slot[kSubjectLength]);
  return slot.substr(kMark, kSlotMark.size()) == kSlotMark && kNames + names <= kSlotBytes &&
         load_bits<std::uint32_t>(slot, kSlotCrc) == crc_of(slot);
}

SealId id_in(std::string_view slot) {
  SealId id;
  std::memcpy(id.data(), slot.data() + kId, id.size());
  return id;
}

Status check_subject(std::string_view tenant, std::string_view subject) {
  if (subject.empty() || subject.size() > kMaxSubjectBytes || has_control(subject))
    return invalid("subject", "must have 1 to 200 bytes and no control characters");
  if (tenant.size() > kMaxSubjectBytes) return invalid("tenant", "must have at most 200 bytes");
  return {};
}

Expected<SubjectKeyPtr> new_key(std::string_view tenant, const std::string& subject, TimeUs now) {
  auto key = std::make_shared<SubjectKey>();
  key->tenant = tenant;
  key->subject = subject;
  key->created = now;
  if (RAND_bytes(key->id.data(), static_cast<int>(key->id.size())) != 1 ||
      RAND_priv_bytes(key->secret.data(), static_cast<int>(key->secret.size())) != 1)
    return Error{ErrorCode::internal, "OpenSSL has no random bytes for a key.", ""};
  return SubjectKeyPtr(std::move(key));
}

Expected<std::string> read_whole(const File& file, const fs::path& path) {
  struct stat info {};
  if (::fstat(file.fd(), &info) != 0) return file_error(errno, "looking at", path);
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto n = ::pread(file.fd(), bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(errno, "reading", path);
    if (n == 0) break;
    at += static_cast<std::size_t>(n);
  }
  bytes.resize(at);
  return bytes;
}

std::string header_slot() {
  std::string slot(kHeader);
  slot.resize(kSlotBytes, '\0');
  return slot;
}

}  // namespace

fs::path subject_keys_file(const fs::path& data_folder) {
  return data_folder / "keys" / "subjects.keys";
}

Expected<std::unique_ptr<SubjectKeys>> SubjectKeys::open(const fs::path& file,
                                                         std::shared_ptr<Clock> clock) {
  auto opened = File::open(file, O_RDWR);
  const bool there = opened.has_value();
  if (!there && opened.error().code != ErrorCode::not_found) return opened.error();
  std::unique_ptr<SubjectKeys> keys(
      new SubjectKeys(file, there ? *std::move(opened) : File(), std::move(clock)));
  if (there)
    if (auto bad = keys->load()) return *bad;
  return keys;
}

Status SubjectKeys::load() {
  auto bytes = read_whole(file_, path_);
  if (!bytes) return bytes.error();
  // A file that was being made when the power went may be there in part: it had no key in use.
  if (bytes->size() < kSlotBytes || bytes->find_first_not_of('\0') == bytes->npos) return create();
  if (!bytes->starts_with(kHeader))
    return Error{ErrorCode::corrupt,
                 fmt::format("The file {} holds no keys of subjects.", path_.string()), ""};
  for (std::uint64_t i = 1; (i + 1) * kSlotBytes <= bytes->size(); ++i)
    take(std::string_view(*bytes).substr(i * kSlotBytes, kSlotBytes), i);
  next_ = (bytes->size() + kSlotBytes - 1) / kSlotBytes;
  OPENSSL_cleanse(bytes->data(), bytes->size());
  return {};
}

// The name is durable before the first key is.
Status SubjectKeys::create() {
  if (file_.fd() < 0) {
    if (auto bad = make_folder(path_.parent_path())) return bad;
    auto opened = File::open(path_, O_RDWR | O_CREAT, 0600);
    if (!opened) return opened.error();
    file_ = *std::move(opened);
  }
  if (auto bad = write_at(header_slot(), 0)) return bad;
  if (auto bad = sync_file(file_, path_)) return bad;
  if (auto bad = sync_folder(path_.parent_path())) return bad;
  next_ = 1;
  return {};
}

// Zeros are room that was made and never written: no key was used from there.
void SubjectKeys::take(std::string_view slot, std::uint64_t index) {
  if (slot.find_first_not_of('\0') == slot.npos) return;
  if (!is_sound(slot)) {
    ++damaged_;
    return;
  }
  if (slot[kState] == static_cast<char>(State::shredded)) {
    shredded_.insert(id_in(slot));
    return;
  }
  auto key = std::make_shared<SubjectKey>();
  const auto tenant = static_cast<std::uint8_t>(slot[kTenantLength]);
  key->id = id_in(slot);
  key->created = load_bits<TimeUs>(slot, kCreated);
  std::memcpy(key->secret.data(), slot.data() + kSecret, key->secret.size());
  key->tenant = slot.substr(kNames, tenant);
  key->subject = slot.substr(kNames + tenant, static_cast<std::uint8_t>(slot[kSubjectLength]));
  add(std::move(key), index);
}

void SubjectKeys::add(SubjectKeyPtr key, std::uint64_t index) {
  newest_[{key->tenant, key->subject}] = key;
  slots_[key->id] = {key, index};
}

Status SubjectKeys::write_at(std::string_view bytes, std::uint64_t index) {
  auto at = static_cast<off_t>(index * kSlotBytes);
  while (!bytes.empty()) {
    const auto n = ::pwrite(file_.fd(), bytes.data(), bytes.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(errno, "writing", path_);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    at += n;
  }
  return {};
}

// A key whose sync failed is not used, nor is its slot ever again.
Status SubjectKeys::store(std::span<const SubjectKeyPtr> keys) {
  if (keys.empty()) return {};
  if (next_ == 0)
    if (auto bad = create()) return bad;
  const std::uint64_t first = next_;
  next_ += keys.size();
  std::string bytes;
  for (const auto& key : keys) bytes += live_slot(*key);
  auto bad = write_at(bytes, first);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (!bad) bad = sync_file(file_, path_);
  if (bad) return bad;
  for (std::size_t i = 0; i < keys.size(); ++i) add(keys[i], first + i);
  return {};
}

Expected<std::vector<SubjectKeyPtr>> SubjectKeys::keys_of(std::string_view tenant,
                                                          std::span<const std::string> subjects) {
  for (const auto& each : subjects)
    if (auto bad = check_subject(tenant, each)) return *bad;
  const std::unique_lock lock(mutex_);
  std::map<std::string, SubjectKeyPtr> made;
  std::vector<SubjectKeyPtr> out, fresh;
  for (const auto& each : subjects) {
    const auto at = newest_.find({std::string(tenant), each});
    auto key = at == newest_.end() ? SubjectKeyPtr() : at->second;
    if (!key && made.contains(each)) key = made[each];
    if (!key) {
      auto drawn = new_key(tenant, each, clock_->now());
      if (!drawn) return drawn.error();
      key = made[each] = *drawn;
      fresh.push_back(key);
    }
    out.push_back(std::move(key));
  }
  if (auto bad = store(fresh)) return *bad;
  return out;
}

Expected<SubjectKeyPtr> SubjectKeys::key_of(std::string_view tenant, const std::string& subject) {
  auto keys = keys_of(tenant, {&subject, 1});
  if (!keys) return keys.error();
  return std::move(keys->front());
}

std::vector<SubjectKeyPtr> SubjectKeys::list(std::string_view tenant) const {
  const std::shared_lock lock(mutex_);
  std::vector<SubjectKeyPtr> out;
  for (const auto& [id, slot] : slots_)
    if (slot.key->tenant == tenant) out.push_back(slot.key);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::tie(a->subject, a->created, a->id) < std::tie(b->subject, b->created, b->id);
  });
  return out;
}

std::vector<SubjectKeyPtr> SubjectKeys::find(std::string_view tenant,
                                             std::string_view subject) const {
  auto all = list(tenant);
  std::erase_if(all, [&](const auto& key) { return key->subject != subject; });
  return all;
}

SubjectKeyPtr SubjectKeys::by_id(const SealId& id) const {
  const std::shared_lock lock(mutex_);
  const auto at = slots_.find(id);
  return at == slots_.end() ? nullptr : at->second.key;
}

std::optional<std::string> SubjectKeys::open_text(std::string_view tenant, std::string_view text,
                                                  const SealId* context) const {
  const auto sealed = parse_sealed(text);
  if (!sealed || (context && sealed->context != *context)) return std::nullopt;
  const auto key = by_id(sealed->key_id);
  if (!key || key->tenant != tenant) return std::nullopt;
  return unseal(*key, *sealed);
}

std::string SubjectKeys::reveal(std::string_view tenant, std::string json) const {
  std::string_view found = find_sealed(json);
  if (found.empty()) return json;
  std::string out;
  std::size_t done = 0;
  for (; !found.empty(); found = find_sealed(json, done)) {
    const auto at = static_cast<std::size_t>(found.data() - json.data());
    out.append(json, done, at - done);
    const auto clear = open_text(tenant, found);
    std::string quoted;
    append_json_string(quoted, clear ? std::string_view(*clear) : kErased);
    out.append(quoted, 1, quoted.size() - 2);
    done = at + found.size();
  }
  return out.append(json, done);
}

void SubjectKeys::retire(std::string_view tenant, std::string_view subject) {
  const std::unique_lock lock(mutex_);
  newest_.erase({std::string(tenant), std::string(subject)});
}

Expected<bool> SubjectKeys::shred(const SealId& id) {
  const std::unique_lock lock(mutex_);
  const auto at = slots_.find(id);
  if (at == slots_.end()) return false;
  if (auto bad = write_at(shredded_slot(id, clock_->now()), at->second.index)) return *bad;
  if (auto bad = sync_file(file_, path_)) return *bad;
  const auto& key = at->second.key;
  const auto name = newest_.find({key->tenant, key->subject});
  if (name != newest_.end() && name->second == key) newest_.erase(name);
  shredded_.insert(id);
  slots_.erase(at);
  return true;
}

Expected<std::uint64_t> SubjectKeys::shred_recorded(const Log& log) {
  std::map<SealId, std::string> tenant_of;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, slot] : slots_) tenant_of[id] = slot.key->tenant;
  }
  std::set<std::string> tenants;
  for (const auto& [id, tenant] : tenant_of) tenants.insert(tenant);
  std::set<std::string> recorded;
  Status bad;
  for (const auto& tenant : tenants) {
    const auto read =
        log.read_stream(tenant, kSubjectsStream, 1, ~0ull, ~0ull, [&](const EventView& view) {
          const auto event = decode_event(view);
          if (!event) bad = event.error();
          if (const auto* e = event ? get_if<SubjectShredded>(&*event) : nullptr)
            recorded.insert(e->key_id);
          return !bad;
        });
    if (!read) return read.error();
    if (bad) return *bad;
  }
  std::uint64_t count = 0;
  for (const auto& [id, tenant] : tenant_of) {
    if (!recorded.contains(to_hex(id))) continue;
    const auto done = shred(id);
    if (!done) return done.error();
    count += *done;
  }
  return count;
}

Expected<std::uint64_t> SubjectKeys::import(const fs::path& file) {
  auto opened = File::open(file, O_RDONLY);
  if (!opened) return opened.error();
  SubjectKeys other(file, *std::move(opened), clock_);
  auto bytes = read_whole(other.file_, file);
  if (!bytes) return bytes.error();
  if (!bytes->starts_with(kHeader))
    return Error{ErrorCode::corrupt,
                 fmt::format("The file {} holds no keys of subjects.", file.string()), "file"};
  for (std::uint64_t i = 1; (i + 1) * kSlotBytes <= bytes->size(); ++i)
    other.take(std::string_view(*bytes).substr(i * kSlotBytes, kSlotBytes), i);
  OPENSSL_cleanse(bytes->data(), bytes->size());
  const std::unique_lock lock(mutex_);
  std::vector<SubjectKeyPtr> fresh;
  for (const auto& [id, slot] : other.slots_)
    if (!slots_.contains(id) && !shredded_.contains(id)) fresh.push_back(slot.key);
  if (auto bad = store(fresh)) return *bad;
  return fresh.size();
}

Expected<std::uint64_t> count_damaged_keys(const fs::path& path) {
  const auto file = File::open(path, O_RDONLY);
  // Whoever else may read the folder may not read the keys, and need not.
  if (!file && (file.error().code == ErrorCode::not_found || ::access(path.c_str(), R_OK) != 0))
    return std::uint64_t{0};
  if (!file) return file.error();
  auto bytes = read_whole(*file, path);
  if (!bytes) return bytes.error();
  std::uint64_t damaged = 0;
  for (std::size_t at = 0; at < bytes->size(); at += kSlotBytes) {
    const auto slot = std::string_view(*bytes).substr(at, kSlotBytes);
    const bool empty = slot.find_first_not_of('\0') == slot.npos;
    const bool sound =
        slot.size() == kSlotBytes && (at == 0 ? slot.starts_with(kHeader) : is_sound(slot));
    damaged += !empty && !sound;
  }
  OPENSSL_cleanse(bytes->data(), bytes->size());
  return damaged;
}

}  // namespace mlforge::storage
