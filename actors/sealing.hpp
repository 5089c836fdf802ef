// Encrypts the personal fields of a command before anything is decided on it, so that states,
// events, views and copies never see them in the clear.
#pragma once
#include <set>

#include "actors/command.hpp"
#include "storage/subject_keys.hpp"

namespace mlforge::actors {

// Where and under which key, and what came of it.
struct Sealing {
  std::string_view tenant, stream;
  storage::SubjectKeyPtr key;
  std::set<std::string> made;  // the sealed texts that this command brings along

  void text(std::string_view field, std::string& value);
  void texts(std::string_view field, Texts& values);
};

// What a repeated command is recognised by must not tell what was in it once its subject is gone.
Status key_fingerprint(storage::SubjectKeys* keys, CommandMeta& meta);

// Encrypts the rows of a batch that are about a subject.
Status seal_rows(storage::SubjectKeys* keys, RecordPredictions& command, Sealing& sealing);

// Undoes seal_rows as far as the keys are here; the rows that are erased are taken out.
void open_rows(const storage::SubjectKeys* keys, std::string_view tenant, std::string_view stream,
               PredictionsLogged& batch);

// A sealed text that comes from outside would be shown to whoever sends it: set
// (invalid_argument) where `text` holds one that is not in `made`.
Status check_foreign(std::string_view text, const std::set<std::string>& made);

Error no_subject_keys();
Error nothing_personal();

template <class Command>
constexpr bool has_personal() {
  bool personal = false;
  if constexpr (HasFields<Command>)
    for_each_field<Command>([&](const auto& f) { personal = personal || f.personal; });
  return personal;
}

// Where the request names a subject: makes its key where it has none (it is on disk then) and
// encrypts the personal fields in place. invalid_argument where the command has none.
template <class Command>
Status seal_command(storage::SubjectKeys* keys, const CommandMeta& meta, Command& command,
                    Sealing& sealing) {
  if constexpr (std::is_same_v<Command, RecordPredictions>)
    return seal_rows(keys, command, sealing);
  if (meta.subject.empty()) return {};
  if constexpr (has_personal<Command>()) {
    if (!keys) return no_subject_keys();
    auto key = keys->key_of(meta.tenant, meta.subject);
    if (!key) return key.error();
    sealing.key = *std::move(key);
    for_each_field<Command>([&](const auto& f) {
      if (!f.personal) return;
      auto& member = command.*(f.member);
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(member)>, std::string>)
        sealing.text(f.name, member);
      else if constexpr (std::is_same_v<std::remove_cvref_t<decltype(member)>, Texts>)
        sealing.texts(f.name, member);
      else if constexpr (requires { sealing.text("", member.begin()->second); })
        for (auto& [name, value] : member) sealing.text(std::string(f.name) + "." + name, value);
    });
    return {};
  } else {
    return nothing_personal();
  }
}

}  // namespace mlforge::actors
