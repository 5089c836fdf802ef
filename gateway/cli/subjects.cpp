// subjects: whose keys there are, how they are destroyed, and how they are kept apart from backups.
#include "gateway/subjects.hpp"

#include <filesystem>

#include "gateway/cli/folders.hpp"
#include "gateway/cli/groups.hpp"
#include "storage/subject_keys.hpp"

namespace mlforge::gateway::cli {
namespace subjects_group {
namespace {

namespace fs = std::filesystem;

const std::string kSubjects = "/api/v1/subjects";

struct Options {
  std::string subject, reason, file, page_token;
  std::uint64_t limit = 100;
  std::shared_ptr<ConfigFlags> flags;
};

std::string joined(const std::vector<std::string>& all) {
  std::string out;
  for (const auto& each : all) out += (out.empty() ? "" : ", ") + each;
  return out;
}

int list(const Session& s, const Options& o) {
  Query query;
  query.add("limit", std::to_string(o.limit)).add("page_token", o.page_token);
  return show_page(s, s.api().get_as<SubjectPage>(kSubjects + query.text()),
                   Table({{"SUBJECT"}, {"SINCE"}, {"KEYS"}}), "no subject has a key",
                   [](Table& table, const SubjectRow& row) {
                     table.row({row.subject, time_text(row.created), joined(row.key_ids)});
                   });
}

int show(const Session& s, const Options& o) {
  return s.show(s.api().get_as<SubjectRow>(kSubjects + "/" + escape(o.subject)),
                [&](const SubjectRow& row) {
                  s.facts({{"subject", row.subject},
                           {"since", time_text(row.created)},
                           {"keys", joined(row.key_ids)}});
                });
}

Expected<Answer<ShreddedAnswer>> ask_to_shred(const Session& s, const Options& o) {
  Query query;
  query.add("reason", o.reason);
  auto body =
      s.api().send(http::Method::delete_, kSubjects + "/" + escape(o.subject) + query.text(), "");
  if (!body) return body.error();
  auto value = from_json<ShreddedAnswer>(*body, Unknown::skip);
  if (!value) return value.error();
  return Answer<ShreddedAnswer>{*std::move(body), *std::move(value)};
}

int shred(const Session& s, const Options& o) {
  return s.show(ask_to_shred(s, o), [&](const ShreddedAnswer& answer) {
    s.facts(
        {{"destroyed", joined(answer.key_ids)}, {"recorded at", std::to_string(answer.position)}});
  });
}

struct CopiedRow {
  std::string file;
  std::uint64_t keys = 0;
  static constexpr auto fields() {
    return FieldList{field("file", &CopiedRow::file), field("keys", &CopiedRow::keys)};
  }
};

int copied(const Session& s, const Expected<CopiedRow>& row) {
  if (!row) return s.fail(row.error());
  return s.show(Expected<Answer<CopiedRow>>(Answer<CopiedRow>{to_json(*row), *row}),
                [&](const CopiedRow& each) {
                  s.facts({{"file", each.file}, {"keys", std::to_string(each.keys)}});
                });
}

// A slot is written whole or not at all, so the file may be read while a server has it open.
Expected<CopiedRow> export_keys(const Config& config, const fs::path& to) {
  const auto from = storage::subject_keys_file(config.data_dir);
  std::error_code ignored;
  if (!fs::exists(from, ignored))
    return Error{ErrorCode::not_found, "no subject has a key in " + config.data_dir, "data"};
  if (fs::exists(to, ignored))
    return Error{ErrorCode::already_exists, "the file " + to.string() + " is there already",
                 "file"};
  auto keys = storage::SubjectKeys::open(to, storage::system_clock());
  if (!keys) return keys.error();
  const auto count = (*keys)->import(from);
  if (!count) return count.error();
  return CopiedRow{to.string(), *count};
}

Expected<CopiedRow> import_keys(const Config& config, const fs::path& from) {
  auto log = open_folder(config);
  if (!log) return log.error();
  auto keys = storage::SubjectKeys::open(storage::subject_keys_file(config.data_dir),
                                         storage::system_clock());
  if (!keys) return keys.error();
  const auto count = (*keys)->import(from);
  if (!count) return count.error();
  const auto shredded = (*keys)->shred_recorded(**log);
  if (!shredded) return shredded.error();
  if (auto bad = (*log)->close()) return *bad;
  return CopiedRow{from.string(), *count - std::min(*count, *shredded)};
}

using Copy = Expected<CopiedRow> (*)(const Config&, const fs::path&);

int run_copy(const Session& s, const Options& o, Copy copy) {
  const auto loaded = s.load(*o.flags);
  if (!loaded) return s.fail(loaded.error());
  return copied(s, copy(loaded->config, o.file));
}

}  // namespace
}  // namespace subjects_group

void add_subject_commands(CLI::App& root, Session& s) {
  using namespace subjects_group;
  auto* group = s.group(root, "subjects", "Whom encrypted fields are about, and their erasure");
  const auto o = std::make_shared<Options>();
  auto* c = s.remote(*group, "list", "Subjects that have a key", "  mlforge subjects list",
                     [&s, o] { return list(s, *o); });
  c->add_option("--limit", o->limit, "Rows in a page, 1 to 1000");
  c->add_option("--page-token", o->page_token, "Go on where the page before ended");
  c = s.remote(*group, "show", "The keys of one", "  mlforge subjects show person/4711",
               [&s, o] { return show(s, *o); });
  c->add_option("subject", o->subject, "Its name")->required();
  c = s.remote(*group, "shred", "Destroy its keys: what they encrypted is erased everywhere",
               "  mlforge subjects shred person/4711 --reason 'asked for on 2026-11-20'",
               [&s, o] { return shred(s, *o); });
  c->add_option("subject", o->subject, "Its name")->required();
  c->add_option("--reason", o->reason, "Why; it stays in the log, so without the name")->required();
  const auto keys_file = [&](const char* name, const char* what, const char* example, Copy copy) {
    const auto mine = std::make_shared<Options>();
    auto* command = s.command(*group, name, what, example,
                              [&s, mine, copy] { return run_copy(s, *mine, copy); });
    command->add_option("file", mine->file, "The file of keys")->type_name("FILE")->required();
    mine->flags = s.add_config(*command, {"data_dir", "log_map_gib"});
  };
  keys_file("export-keys", "Copy the keys into a file; backups have none",
            "  mlforge subjects export-keys keys-monday.keys --data ./mlforge-data", export_keys);
  keys_file("import-keys", "Take keys from such a file, but none that was destroyed",
            "  mlforge subjects import-keys keys-monday.keys --data ./restored", import_keys);
}

}  // namespace mlforge::gateway::cli
