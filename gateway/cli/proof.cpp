// proof and keys: proof files from a server, and the keys that sign.
#include <fmt/format.h>

#include <fstream>
#include <functional>
#include <iterator>

#include "actors/streams.hpp"
#include "gateway/cli/groups.hpp"
#include "gateway/cli/output_file.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/prover.hpp"

namespace mlforge::gateway::cli {
namespace proof_group {
namespace {

struct Options {
  std::string stream, tenant, from, output, reason, data;
  Position position = 0;
  std::uint64_t size = 0;  // 0: of now
};

// The prover of a folder that no server has open.
class FolderProver {
 public:
  static Expected<FolderProver> open(const std::filesystem::path& folder) {
    if (auto there = storage::DataFolder::open_existing(folder); !there) return there.error();
    FolderProver out;
    auto log = storage::open_lmdb_log(folder);
    if (!log) return log.error();
    out.log_ = *std::move(log);
    auto prover = storage::Prover::open(folder, *out.log_);
    if (!prover) return prover.error();
    out.prover_ = *std::move(prover);
    // The key that signs is in the log before its first signature is given away.
    if (auto bad = out.prover_->record_key(*out.log_)) return *bad;
    return out;
  }
  storage::LmdbLog& log() { return *log_; }
  storage::Prover* operator->() { return prover_.get(); }
  Status close() {
    if (auto bad = prover_->close()) return bad;
    return log_->close();
  }

 private:
  std::unique_ptr<storage::LmdbLog> log_;
  std::unique_ptr<storage::Prover> prover_;
};

// The proof goes to a file, or to stdout.
int save_written(const Session& s, const std::string& output,
                 const std::function<Status(std::ostream&)>& write) {
  auto file = OutputFile::open(s.io, output);
  if (!file) return s.fail(file.error());
  if (auto bad = write(file->stream())) return s.fail(*bad);
  file->stream() << '\n';
  if (auto bad = file->keep()) return s.fail(*bad);
  if (!output.empty())
    s.note("written to " + output + "; 'mlforge verify " + output + "' checks it");
  return kOk;
}

int save(const Session& s, const std::string& output, const Expected<std::string>& text) {
  if (!text) return s.fail(text.error());
  return save_written(s, output, [&](std::ostream& out) -> Status {
    out << *text;
    return {};
  });
}

// What a server answers, or what `prove` makes of the folder.
template <class Prove>
Expected<std::string> ask(const Session& s, const Options& o, const std::string& path, Query query,
                          Prove&& prove) {
  if (o.data.empty()) {
    if (o.size > 0) query.add("size", std::to_string(o.size));
    return s.api().get(path + query.text());
  }
  auto prover = FolderProver::open(o.data);
  if (!prover) return prover.error();
  auto proof = prove(*prover);
  if (!proof) return proof.error();
  if (auto bad = prover->close()) return *bad;
  if constexpr (std::is_same_v<decltype(proof), Expected<std::string>>)
    return proof;
  else
    return to_json(*proof);
}

int prove_event(const Session& s, const Options& o) {
  Query query;
  query.add("position", std::to_string(o.position));
  return save(s, o.output,
              ask(s, o, "/api/v1/proofs/inclusion", std::move(query),
                  [&](FolderProver& prover) { return prover->prove_event(o.position, o.size); }));
}

Status stream_of_folder(const Options& o, std::ostream& out) {
  auto prover = FolderProver::open(o.data);
  if (!prover) return prover.error();
  {
    const auto begun =
        (*prover)->begin_stream(o.tenant.empty() ? actors::kTenant : o.tenant, o.stream, o.size);
    if (!begun) return begun.error();
    for (std::string piece;; piece.clear()) {
      if (auto bad = (*begun)->next(piece)) return bad;
      if (piece.empty() || !(out << piece)) break;
    }
  }
  return prover->close();
}

// As long as the stream: written as it is made.
int prove_stream(const Session& s, const Options& o) {
  return save_written(s, o.output, [&](std::ostream& out) {
    if (!o.data.empty()) return stream_of_folder(o, out);
    Query query;
    query.add("stream", o.stream).add("tenant", o.tenant);
    if (o.size > 0) query.add("size", std::to_string(o.size));
    return s.api().download("/api/v1/proofs/stream" + query.text(), out);
  });
}

// From an earlier checkpoint, as `mlforge proof checkpoint` saved it; it becomes part of the proof.
Expected<std::string> consistency(const Session& s, const Options& o) {
  std::ifstream in(o.from, std::ios::binary);
  if (!in)
    return Error{ErrorCode::not_found, "the checkpoint " + o.from + " cannot be read", "from"};
  const std::string before(std::istreambuf_iterator<char>(in), {});
  const auto note = storage::parse_note(before);
  if (!note) return note.error();
  const auto checkpoint = storage::parse_checkpoint(note->text);
  if (!checkpoint) return checkpoint.error();
  Query query;
  query.add("from", std::to_string(checkpoint->size));
  const auto text = ask(
      s, o, "/api/v1/proofs/consistency", std::move(query),
      [&](FolderProver& prover) { return prover->prove_consistency(checkpoint->size, o.size); });
  if (!text) return text.error();
  auto file = from_json<storage::ProofFile>(*text, Unknown::refuse);
  if (!file) return file.error();
  file->from_checkpoint = before;
  return to_json(*file);
}

int checkpoint(const Session& s, const Options& o) {
  const auto text =
      ask(s, o, "/checkpoint", {}, [&](FolderProver& p) { return p->checkpoint(o.size); });
  if (!text || o.output.empty()) return save(s, "", text);
  auto file = OutputFile::open(s.io, o.output);
  if (!file) return s.fail(file.error());
  file->stream() << *text;
  const auto bad = file->keep();
  return bad ? s.fail(*bad) : kOk;
}

struct KeysRow {
  std::string verifier_key;
  std::vector<LogKeyAdded> items;
  static constexpr auto fields() {
    return FieldList{field("verifier_key", &KeysRow::verifier_key),
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
    return FieldList{field("position", &RotatedRow::position),
                     field("verifier_key", &RotatedRow::verifier_key)};
  }
};

// The same for a folder that no server has open.
Expected<RotatedRow> rotate_in_folder(const Options& o) {
  auto prover = FolderProver::open(o.data);
  if (!prover) return prover.error();
  auto planned = (*prover)->plan_rotation(o.reason);
  if (!planned) return planned.error();
  storage::AppendRequest request{.tenant = std::string(storage::kLogTenant), .actor = "mlforge"};
  request.expectations = {{std::string(kLogKeysStream), planned->expected_version}};
  request.events = {planned->event};
  const auto done = prover->log().append({&request, 1}).front();
  if (!done) return done.error();
  RotatedRow row{done->last, planned->next.verifier.text()};
  (*prover)->use_key(std::move(planned->next));
  if (auto bad = prover->close()) return *bad;
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
  const auto data = [&](CLI::App* c) {
    c->add_option("--data", o->data, "Folder of a log that no server has open")->type_name("DIR");
  };
  const auto size = [&](CLI::App* c) {
    c->add_option("--size", o->size, "Under a checkpoint of the first N events; without it, of all")
        ->type_name("N")
        ->check(from_one());
    data(c);
  };
  auto* group = s.group(root, "proof", "Proof files, to be checked without this server");
  auto* c = s.remote(*group, "event", "That an event is in the log",
                     "  mlforge proof event 42 -o event.json\n  mlforge verify event.json",
                     [&s, o] { return prove_event(s, *o); });
  c->add_option("position", o->position, "Position of the event")->required()->check(from_one());
  output(c);
  size(c);
  c = s.remote(*group, "stream", "Which events are all events of a stream",
               "  mlforge proof stream model/adult -o adult.json\n"
               "  mlforge proof stream model/adult --size 1200 -o adult-then.json",
               [&s, o] { return prove_stream(s, *o); });
  c->add_option("stream", o->stream, "Its name: model/adult")->required();
  c->add_option("--tenant", o->tenant, "Whose stream; without it, default")->type_name("NAME");
  output(c);
  size(c);
  c = s.remote(*group, "checkpoint", "The signed state of the log, now or at an earlier size",
               "  mlforge proof checkpoint -o monday.txt", [&s, o] { return checkpoint(s, *o); });
  output(c);
  size(c);
  c = s.remote(*group, "consistency", "That the log continues what it was",
               "  mlforge proof consistency --from monday.txt -o since-monday.json",
               [&s, o] { return save(s, o->output, consistency(s, *o)); });
  c->add_option("--from", o->from, "An earlier checkpoint")->type_name("FILE")->required();
  output(c);
  size(c);
  group = s.group(root, "keys", "The keys that sign the log's checkpoints");
  s.remote(*group, "list", "All of them, oldest first", "  mlforge keys list",
           [&s] { return list_keys(s); });
  c = s.remote(*group, "rotate", "Make a new key, endorsed by the present one",
               "  mlforge keys rotate --reason 'once a year'", [&s, o] { return rotate(s, *o); });
  c->add_option("--reason", o->reason, "Why; it stands in the log")->required();
  data(c);
}

}  // namespace mlforge::gateway::cli
