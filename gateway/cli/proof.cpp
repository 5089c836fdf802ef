// proof and keys: proof files from a server, and the keys that sign.
#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "gateway/cli/groups.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/prover.hpp"

namespace mlforge::gateway::cli {
namespace proof_group {
namespace {

struct Options {
  std::string position, stream, from, output, reason, data;
};

// The proof goes to a file, or to stdout.
int save(const Session& s, const std::string& output, const Expected<std::string>& text) {
  if (!text) return s.fail(text.error());
  if (output.empty()) {
    s.line(*text);
    return kOk;
  }
  std::ofstream file(output, std::ios::binary);
  file << *text << '\n';
  if (!file.flush())
    return s.fail({ErrorCode::internal, "the file " + output + " cannot be written", "output"});
  s.note("written to " + output + "; 'mlforge verify " + output + "' checks it");
  return kOk;
}

int prove_event(const Session& s, const Options& o) {
  Query query;
  query.add("position", o.position);
  return save(s, o.output, s.api().get("/api/v1/proofs/inclusion" + query.text()));
}

int prove_stream(const Session& s, const Options& o) {
  Query query;
  query.add("stream", o.stream);
  return save(s, o.output, s.api().get("/api/v1/proofs/stream" + query.text()));
}

// From an earlier checkpoint, as `mlforge proof checkpoint` saved it; it becomes part of the proof.
Expected<std::string> consistency(const Session& s, const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{ErrorCode::not_found, "the checkpoint " + file + " cannot be read", "from"};
  const std::string before(std::istreambuf_iterator<char>(in), {});
  const auto note = storage::parse_note(before);
  if (!note) return note.error();
  const auto checkpoint = storage::parse_checkpoint(note->text);
  if (!checkpoint) return checkpoint.error();
  auto answer = s.api().get_as<storage::ProofFile>("/api/v1/proofs/consistency?from=" +
                                                   std::to_string(checkpoint->size));
  if (!answer) return answer.error();
  answer->value.from_checkpoint = before;
  return to_json(answer->value);
}

int checkpoint(const Session& s, const Options& o) {
  auto text = s.api().get("/checkpoint");
  if (!text || o.output.empty()) return save(s, "", text);
  std::ofstream file(o.output, std::ios::binary);
  file << *text;
  if (file.flush()) return kOk;
  return s.fail({ErrorCode::internal, "the file " + o.output + " cannot be written", "output"});
}

struct KeysRow {
  std::string verifier_key;
  std::vector<LogKeyAdded> items;
  static constexpr auto fields() {
    return std::tuple{field("verifier_key", &KeysRow::verifier_key),
                      field("items", &KeysRow::items)};
  }
};

int list_keys(const Session& s) {
  return s.show(s.api().get_as<KeysRow>("/api/v1/log/keys"), [&](const KeysRow& keys) {
    Table table({{"KEY"}, {"ENDORSED BY"}, {"REASON"}});
    for (const auto& key : keys.items) table.row({key.key_id, key.endorsed_by, key.reason});
    s.table(table);
    s.line("\n" + keys.verifier_key);
  });
}

struct RotatedRow {
  Position position = 0;
  std::string verifier_key;
  static constexpr auto fields() {
    return std::tuple{field("position", &RotatedRow::position),
                      field("verifier_key", &RotatedRow::verifier_key)};
  }
};

// The same for a folder that no server has open.
Expected<RotatedRow> rotate_in_folder(const Options& o) {
  const std::filesystem::path folder = o.data;
  if (auto there = storage::DataFolder::open_existing(folder); !there) return there.error();
  auto log = storage::open_lmdb_log(folder);
  if (!log) return log.error();
  auto prover = storage::Prover::open(folder, **log);
  if (!prover) return prover.error();
  if (auto bad = (*prover)->record_key(**log)) return *bad;
  auto planned = (*prover)->plan_rotation(o.reason);
  if (!planned) return planned.error();
  storage::AppendRequest request{.tenant = std::string(storage::kLogTenant), .actor = "mlforge"};
  request.expectations = {{std::string(kLogKeysStream), planned->expected_version}};
  request.events = {planned->event};
  const auto done = (*log)->append({&request, 1}).front();
  if (!done) return done.error();
  RotatedRow row{done->last, planned->next.verifier.text()};
  (*prover)->use_key(std::move(planned->next));
  if (auto bad = (*prover)->close()) return *bad;
  if (auto bad = (*log)->close()) return *bad;
  return row;
}

int rotate(const Session& s, const Options& o) {
  const auto human = [&](const RotatedRow& row) { s.line(row.verifier_key); };
  if (o.data.empty()) {
    std::string body = "{\"reason\":";
    append_json_string(body, o.reason);
    return s.show(s.api().post_as<RotatedRow>("/api/v1/log/keys/rotate", body + "}"), human);
  }
  const auto row = rotate_in_folder(o);
  if (!row) return s.fail(row.error());
  return s.show(Expected<Answer<RotatedRow>>(Answer<RotatedRow>{to_json(*row), *row}), human);
}

}  // namespace
}  // namespace proof_group

void add_proof_commands(CLI::App& root, Session& s) {
  using namespace proof_group;
  const auto o = std::make_shared<Options>();
  const auto output = [&](CLI::App* c) {
    c->add_option("-o,--output", o->output, "File; without it, stdout")->type_name("FILE");
  };
  auto* group = s.group(root, "proof", "Proof files, to be checked without this server");
  auto* c = s.remote(*group, "event", "That an event is in the log",
                     "  mlforge proof event 42 -o event.json\n  mlforge verify event.json",
                     [&s, o] { return prove_event(s, *o); });
  c->add_option("position", o->position, "Position of the event")->required();
  output(c);
  c = s.remote(*group, "stream", "Which events are all events of a stream",
               "  mlforge proof stream model/adult -o adult.json",
               [&s, o] { return prove_stream(s, *o); });
  c->add_option("stream", o->stream, "Its name: model/adult")->required();
  output(c);
  c = s.remote(*group, "checkpoint", "The signed state of the log now",
               "  mlforge proof checkpoint -o monday.txt", [&s, o] { return checkpoint(s, *o); });
  output(c);
  c = s.remote(*group, "consistency", "That the log continues what it was",
               "  mlforge proof consistency --from monday.txt -o since-monday.json",
               [&s, o] { return save(s, o->output, consistency(s, o->from)); });
  c->add_option("--from", o->from, "An earlier checkpoint")->type_name("FILE")->required();
  output(c);
  group = s.group(root, "keys", "The keys that sign the log's checkpoints");
  s.remote(*group, "list", "All of them, oldest first", "  mlforge keys list",
           [&s] { return list_keys(s); });
  c = s.remote(*group, "rotate", "Make a new key, endorsed by the present one",
               "  mlforge keys rotate --reason 'once a year'", [&s, o] { return rotate(s, *o); });
  c->add_option("--reason", o->reason, "Why; it stands in the log")->required();
  c->add_option("--data", o->data, "Folder of a log that no server has open")->type_name("DIR");
}

}  // namespace mlforge::gateway::cli
