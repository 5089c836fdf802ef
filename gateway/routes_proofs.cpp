// Checkpoints and tiles as C2SP tlog-tiles has them, proof files, and the log's keys.
#include <charconv>

#include "actors/sealing.hpp"
#include "events/checks.hpp"
#include "events/event_codec.hpp"
#include "gateway/handlers.hpp"
#include "gateway/table_routes.hpp"
#include "storage/prover.hpp"
#include "storage/record.hpp"

namespace mlforge::gateway {
namespace {

using http::Reply;
using http::Request;

constexpr const char* kForever = "public, max-age=31536000, immutable";

struct TilePath {
  std::uint64_t index = 0;
  std::size_t width = storage::kTileHashes;  // less: a partial tile
};

std::optional<std::uint64_t> whole_number(std::string_view text, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool canonical = !text.empty() && (text.size() == 1 || text[0] != '0');
  if (code != std::errc{} || end != text.data() + text.size() || !canonical || value > most)
    return std::nullopt;
  return value;
}

// "x001/x234/067" or "x001/x234/067.p/8": three digits a part, all but the last after an x.
std::optional<TilePath> parse_tile_path(std::string_view text) {
  TilePath out;
  if (const auto partial = text.find(".p/"); partial != text.npos) {
    const auto width = whole_number(text.substr(partial + 3), storage::kTileHashes - 1);
    if (!width || *width == 0) return std::nullopt;
    out.width = *width;
    text = text.substr(0, partial);
  }
  for (int parts = 0; parts < 6; ++parts) {
    const bool more = text.starts_with('x');
    if (more) text.remove_prefix(1);
    if (text.size() < 3 || (parts == 0 && more && text.starts_with("000"))) return std::nullopt;
    for (const char c : text.substr(0, 3)) {
      if (c < '0' || c > '9') return std::nullopt;
      out.index = out.index * 10 + static_cast<std::uint64_t>(c - '0');
    }
    text.remove_prefix(3);
    if (!more) return text.empty() ? std::optional(out) : std::nullopt;
    if (!text.starts_with('/')) return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

Error no_such_tile(const Request& request) { return not_found("tile", request.path); }

void send_tile(Reply reply, std::string body) {
  reply.send({200, "application/octet-stream", std::move(body), {{"Cache-Control", kForever}}});
}

void hash_tile(App& app, const Request& request, Reply reply) {
  const auto level = whole_number(request.param("level"), 63);
  const auto path = parse_tile_path(request.param("index"));
  if (!level || !path) return reply.send(no_such_tile(request));
  const auto tile = app.prover->tree().tile({static_cast<unsigned>(*level), path->index});
  if (!tile) return reply.send(tile.error());
  if (tile->size() < path->width) return reply.send(no_such_tile(request));
  std::string body;
  for (std::size_t i = 0; i < path->width; ++i) body += storage::as_text((*tile)[i].bytes);
  send_tile(std::move(reply), std::move(body));
}

// The leaves' inputs: commitments, each after its length. The bodies stay behind the API.
void entry_bundle(App& app, const Request& request, Reply reply) {
  const auto path = parse_tile_path(request.param("index"));
  if (!path) return reply.send(no_such_tile(request));
  const Position first = path->index * storage::kTileHashes + 1;
  if (app.prover->tree().size() < first - 1 + path->width) return reply.send(no_such_tile(request));
  std::string body;
  const auto read = app.log->read_records(first, path->width, [&](Position, storage::Bytes record) {
    const auto commitment = storage::record_commitment(record);
    body += '\0';
    body += static_cast<char>(commitment.bytes.size());
    body += storage::as_text(commitment.bytes);
    return true;
  });
  if (!read) return reply.send(read.error());
  send_tile(std::move(reply), std::move(body));
}

// A key's event on its way to the writer, which takes an append without events for a barrier.
actors::AppendPtr key_append(storage::AppendRequest request) {
  auto append = std::make_shared<actors::Append>();
  append->stream = kLogKeysStream;
  for (const auto& e : request.events)
    if (auto event = decode_event(e.type, e.schema, e.content_type, e.payload))
      append->events.push_back(*std::move(event));
  append->request = std::move(request);
  return append;
}

// Runs `work` on the worker threads. The key that signs goes into the log before the first
// signature leaves the server; a log that takes no writes answers all the same.
void run_signed(App& app, Reply reply, std::function<void(Reply)> work) {
  auto request = app.prover->unrecorded_key();
  if (!request) return run_blocking(app, std::move(reply), std::move(work));
  auto append = key_append(*std::move(request));
  append->done = [&app, reply = std::move(reply),
                  work = std::move(work)](Expected<actors::Outcome> result) mutable {
    if (result) app.prover->key_recorded();
    run_blocking(app, std::move(reply), std::move(work));
  };
  app.context.writer.send(std::move(append));
}

void send_checkpoint(App& app, std::uint64_t size, Reply reply) {
  auto note = app.prover->checkpoint(size);
  if (!note) return reply.send(note.error());
  reply.send({200, "text/plain; charset=utf-8", *std::move(note), {{"Cache-Control", "no-store"}}});
}

// ?size=: as of an earlier size. 0: of now.
Expected<std::uint64_t> query_size(const Request& request) {
  if (!request.query("size")) return std::uint64_t{0};
  return query_number(request, "size", 0, 1, UINT64_MAX);
}

void checkpoint(App& app, const Request& request, Reply reply) {
  const auto size = query_size(request);
  if (!size) return reply.send(size.error());
  run_signed(app, std::move(reply),
             [&app, size = *size](Reply r) { send_checkpoint(app, size, std::move(r)); });
}

void send_proof(Reply reply, const Expected<storage::ProofFile>& proof) {
  if (!proof) return reply.send(proof.error());
  reply.send(http::Response::json(to_json(*proof)));
}

struct KeysAnswer {
  Position position = 0;
  std::string verifier_key;
  std::vector<LogKeyAdded> items;
  static constexpr auto fields() {
    return FieldList{field("position", &KeysAnswer::position),
                     field("verifier_key", &KeysAnswer::verifier_key),
                     field("items", &KeysAnswer::items)};
  }
};

void send_keys(App& app, Position as_of, Reply reply) {
  KeysAnswer answer{.position = as_of};
  auto keys = storage::read_log_keys(*app.log, as_of);
  if (!keys) return reply.send(keys.error());
  answer.items = std::move(keys->keys);
  if (!answer.items.empty()) {
    const auto last = storage::verifier_key(answer.items.back());
    if (!last) return reply.send(last.error());
    answer.verifier_key = last->text();
  }
  reply.send(http::Response::json(to_json(answer)));
}

void list_keys(App& app, const Request& request, Reply reply) {
  const auto as_of = query_as_of(app, request);
  if (!as_of) return reply.send(as_of.error());
  if (request.query("as_of"))
    return run_blocking(app, std::move(reply),
                        [&app, as_of = *as_of](Reply r) { send_keys(app, as_of, std::move(r)); });
  run_signed(app, std::move(reply), [&app](Reply r) {
    KeysAnswer answer{.position = app.log->head()};
    auto keys = storage::read_log_keys(*app.log);
    if (!keys) return r.send(keys.error());
    answer.items = std::move(keys->keys);
    answer.verifier_key = app.prover->verifier().text();
    r.send(http::Response::json(to_json(answer)));
  });
}

struct RotateBody {
  std::string reason;
  static constexpr auto fields() { return FieldList{required("reason", &RotateBody::reason)}; }
};

// The event goes through the writer as every other one; the new key signs when it is on disk.
void rotate(App& app, actors::CommandMeta meta, const std::string& reason, Reply reply) {
  auto planned = app.prover->plan_rotation(reason);
  if (!planned) return reply.send(planned.error());
  auto append = key_append({std::string(storage::kLogTenant),
                            std::move(meta.actor),
                            std::move(meta.command_id),
                            meta.causation,
                            meta.correlation,
                            {{std::string(kLogKeysStream), planned->expected_version}},
                            {planned->event}});
  append->done = [&app, reply = std::move(reply),
                  next = std::move(planned->next)](Expected<actors::Outcome> result) mutable {
    if (!result) return reply.send(result.error());
    if (!result->duplicate) app.prover->use_key(std::move(next));
    reply.send(http::Response::json(
        outcome_json(*result, json_member("verifier_key", app.prover->verifier().text()))));
  };
  app.context.writer.send(std::move(append));
}

void rotate_key(App& app, const Request& request, Reply reply) {
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  if (!meta->subject.empty()) return reply.send(actors::nothing_personal());
  const auto body = read_body<RotateBody>(request, reply);
  if (!body) return;
  if (auto bad = actors::check_foreign(body->reason, {})) return reply.send(*bad);
  run_signed(app, std::move(reply), [&app, meta = *meta, body = *body](Reply r) {
    rotate(app, meta, body.reason, std::move(r));
  });
}

void prove_event(App& app, const Request& request, Reply reply) {
  const auto position = query_number(request, "position", 0, 1, UINT64_MAX);
  if (!position) return reply.send(position.error());
  const auto size = query_size(request);
  if (!size) return reply.send(size.error());
  run_signed(app, std::move(reply), [&app, position = *position, size = *size](Reply r) {
    send_proof(std::move(r), app.prover->prove_event(position, size));
  });
}

void prove_consistency(App& app, const Request& request, Reply reply) {
  const auto from = query_number(request, "from", 0, 0, UINT64_MAX);
  if (!from) return reply.send(from.error());
  const auto size = query_size(request);
  if (!size) return reply.send(size.error());
  run_signed(app, std::move(reply), [&app, from = *from, size = *size](Reply r) {
    send_proof(std::move(r), app.prover->prove_consistency(from, size));
  });
}

void prove_stream(App& app, const Request& request, Reply reply) {
  const std::string stream(request.query("stream").value_or(""));
  if (stream.empty()) return reply.send(invalid("stream", "must name a stream: model/adult"));
  const std::string tenant(request.query("tenant").value_or(kTenant));
  const auto size = query_size(request);
  if (!size) return reply.send(size.error());
  run_signed(app, std::move(reply), [&app, tenant, stream, size = *size](Reply r) {
    auto proof = app.prover->begin_stream(tenant, stream, size);
    if (!proof) return r.send(proof.error());
    const std::shared_ptr<storage::StreamProof> shared = *std::move(proof);
    r.stream({.content_type = "application/json",
              .next = [shared](std::string& out) { return shared->next(out); }});
  });
}

}  // namespace

void add_proof_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  const auto tile = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  const http::QueryParam size{
      "size", "under a checkpoint of the first so many events; without it, of all", "integer"};
  router.get("/checkpoint", on(checkpoint),
             {.summary = "A signed checkpoint of the whole log (C2SP tlog-checkpoint)",
              .tag = "proofs",
              .query = {size},
              .response_type = "text/plain"});
  router.get("/tile/{level}/{index*}", tile(hash_tile),
             {.summary = "A tile of the Merkle tree (C2SP tlog-tiles)",
              .tag = "proofs",
              .response_type = "application/octet-stream"});
  router.get("/tile/entries/{index*}", tile(entry_bundle),
             {.summary = "The commitments under a tile",
              .tag = "proofs",
              .response_type = "application/octet-stream"});
  router.get("/api/v1/proofs/inclusion", on(prove_event),
             {.summary = "A proof file: this event is in the log",
              .tag = "proofs",
              .response = json_schema<storage::ProofFile, schema::Numbers::any>(),
              .query = {{"position", "of the event", "integer", true}, size}});
  router.get("/api/v1/proofs/consistency", on(prove_consistency),
             {.summary = "A proof file: the log continues what it was",
              .tag = "proofs",
              .response = json_schema<storage::ProofFile, schema::Numbers::any>(),
              .query = {{"from", "how many events it had", "integer", true}, size}});
  router.get("/api/v1/proofs/stream", on(prove_stream),
             {.summary = "A proof file: these are all events of the stream",
              .tag = "proofs",
              .response = json_schema<storage::ProofFile, schema::Numbers::any>(),
              .query = {{"stream", "its name: model/adult", "string", true},
                        {"tenant", "default: default"},
                        size}});
  router.get("/api/v1/log/keys", on(list_keys),
             {.summary = "The keys that sign checkpoints, oldest first",
              .tag = "proofs",
              .response = json_schema<KeysAnswer, schema::Numbers::any>(),
              .query = as_of_parameter()});
  router.post("/api/v1/log/keys/rotate", on(rotate_key),
              {.summary = "Makes a new key, endorsed by the present one",
               .tag = "proofs",
               .body = json_schema<RotateBody>(),
               .response = outcome_answer({{"verifier_key", "string"}}),
               .headers = {write_header("Idempotency-Key"), write_header("X-Mlforge-Actor")},
               .reads_write_headers = false});
}

}  // namespace mlforge::gateway
