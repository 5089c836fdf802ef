// The keys of subjects: what is encrypted under one is erased everywhere by destroying it.
//
// One file, keys/subjects.keys, never copied by backups. After a header of 512 bytes one slot of
// 512 bytes a key, so that a slot is written whole or not at all; docs/erasure.md has the layout. A
// key is on disk before the first text that it encrypts leaves this class, and it is destroyed in
// its place: its slot is overwritten, and synced.
#pragma once
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "events/envelope.hpp"
#include "events/sealed_text.hpp"
#include "storage/files.hpp"
#include "storage/log.hpp"

namespace mlforge::storage {

inline constexpr std::size_t kMaxSubjectBytes = 200;
inline constexpr std::string_view kErased = "[erased]";  // in place of what cannot be read any more

// A key in memory; its bytes are overwritten when it goes.
struct SubjectKey {
  SealId id{};
  std::array<std::uint8_t, 32> secret{};
  std::string tenant, subject;
  TimeUs created = 0;
  SubjectKey() = default;
  SubjectKey(const SubjectKey&) = default;
  SubjectKey& operator=(const SubjectKey&) = default;
  ~SubjectKey();
};
using SubjectKeyPtr = std::shared_ptr<const SubjectKey>;

std::string to_hex(const SealId& id);

// What a text is bound to besides its key: 16 bytes of SHA-256(tenant 0 stream 0 field).
SealId seal_context(std::string_view tenant, std::string_view stream, std::string_view field);

// AES-256-GCM; key id and context are authenticated. The nonce is HMAC-SHA-256 of context and text
// under a key derived from the subject's, so the same text of the same subject in the same place
// gives the same bytes (and a repetition is seen to change nothing), and no nonce serves two texts.
std::string seal(const SubjectKey& key, const SealId& context, std::string_view clear);
// Nothing where the text is not one that seal() gave with this key, or was changed.
std::optional<std::string> unseal(const SubjectKey& key, const SealedText& sealed);

// A fingerprint that tells nothing once the key is gone: 16 hexadecimal digits of an HMAC.
std::string keyed_fingerprint(const SubjectKey& key, std::string_view text);

class SubjectKeys {
 public:
  // Opens the file, or makes it (mode 0600) with the first key. `corrupt` where it is none of ours.
  static Expected<std::unique_ptr<SubjectKeys>> open(const std::filesystem::path& file,
                                                     std::shared_ptr<Clock> clock);

  // The keys of these subjects, in their order; those that are new are on disk when this returns,
  // under one sync. invalid_argument for a name that is empty, too long or has control characters.
  // Any thread, as all methods.
  Expected<std::vector<SubjectKeyPtr>> keys_of(std::string_view tenant,
                                               std::span<const std::string> subjects);
  Expected<SubjectKeyPtr> key_of(std::string_view tenant, const std::string& subject);

  // By name; nothing where the subject has no key.
  std::vector<SubjectKeyPtr> list(std::string_view tenant) const;
  std::vector<SubjectKeyPtr> find(std::string_view tenant, std::string_view subject) const;

  // What is in a sealed text of this tenant; nothing where its key is not here, or it was changed,
  // or `context` is given and is another.
  std::optional<std::string> open_text(std::string_view tenant, std::string_view text,
                                       const SealId* context = nullptr) const;
  // JSON text with the sealed texts inside of its strings replaced by what they hold, else by
  // "[erased]".
  std::string reveal(std::string_view tenant, std::string json) const;

  // From here on the subject gets another key; the old ones still decrypt.
  void retire(std::string_view tenant, std::string_view subject);
  // Destroys a key for good: true where it was here. After that it is on no disk of ours.
  Expected<bool> shred(const SealId& id);
  // Destroys the keys that the log says were to be destroyed: what a crash left undone, and what a
  // restored file brought back. Answers how many.
  Expected<std::uint64_t> shred_recorded(const Log& log);

  // Adds the keys of another such file that are neither here nor shredded here.
  Expected<std::uint64_t> import(const std::filesystem::path& file);

  // Slots that are damaged: what their keys encrypted cannot be read.
  std::uint64_t damaged() const { return damaged_; }

 private:
  struct Slot {
    SubjectKeyPtr key;
    std::uint64_t index = 0;
  };
  using Name = std::pair<std::string, std::string>;  // tenant, subject

  SubjectKeys(std::filesystem::path path, File file, std::shared_ptr<Clock> clock)
      : path_(std::move(path)), file_(std::move(file)), clock_(std::move(clock)) {}
  Status load();
  Status create();
  void take(std::string_view bytes, std::uint64_t index);
  void add(SubjectKeyPtr key, std::uint64_t index);
  Status store(std::span<const SubjectKeyPtr> keys);
  Status write_at(std::string_view bytes, std::uint64_t index);
  SubjectKeyPtr by_id(const SealId& id) const;

  std::filesystem::path path_;
  File file_;
  std::shared_ptr<Clock> clock_;
  mutable std::shared_mutex mutex_;
  std::map<SealId, Slot> slots_;
  std::map<Name, SubjectKeyPtr> newest_;
  std::set<SealId> shredded_;
  std::uint64_t next_ = 0;  // slot of the next key; 0: the file is not made yet
  std::uint64_t damaged_ = 0;
};

// keys/subjects.keys in a data folder.
std::filesystem::path subject_keys_file(const std::filesystem::path& data_folder);

}  // namespace mlforge::storage
