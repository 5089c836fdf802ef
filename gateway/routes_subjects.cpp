// Subjects: whose keys there are, and how they are destroyed.
#include <limits>

#include "actors/sealing.hpp"
#include "events/checks.hpp"
#include "gateway/handlers.hpp"
#include "gateway/http/logging.hpp"
#include "gateway/subjects.hpp"
#include "gateway/table_routes.hpp"

namespace mlforge::gateway {
namespace {

using http::Reply;
using http::Request;
using storage::SubjectKeyPtr;

SubjectRow row_of(const std::vector<SubjectKeyPtr>& keys) {
  SubjectRow row{.subject = keys.front()->subject, .created = format_time(keys.front()->created)};
  for (const auto& key : keys) row.key_ids.push_back(storage::to_hex(key->id));
  return row;
}

// Up to when a key must have been made to be there at ?as_of=; nothing where that is not given.
struct Then {
  Position position = 0;
  TimeUs time = std::numeric_limits<TimeUs>::max();
  bool has(const storage::SubjectKey& key) const { return key.created <= time; }
};

Expected<Then> query_then(const App& app, const Request& request) {
  const auto as_of = query_as_of(app, request);
  if (!as_of) return as_of.error();
  Then then{.position = *as_of};
  if (!request.query("as_of")) return then;
  then.time = std::numeric_limits<TimeUs>::min();
  const auto read = app.log->read(*as_of, *as_of > 0 ? 1 : 0, [&](const EventView& e) {
    then.time = e.time;
    return false;
  });
  if (!read) return read.error();
  return then;
}

void list_subjects(App& app, const Request& request, Reply reply) {
  const auto then = query_then(app, request);
  if (!then) return reply.send(then.error());
  const auto limit = query_number(request, "limit", 100, 1, 1000);
  if (!limit) return reply.send(limit.error());
  const std::string after(request.query("page_token").value_or(""));
  SubjectPage page{.position = then->position};
  std::vector<SubjectKeyPtr> same;
  const auto add = [&] {
    if (same.empty()) return;
    page.items.push_back(row_of(same));
    same.clear();
  };
  for (auto& key : app.subjects->list(kTenant)) {
    if (key->subject <= after || !then->has(*key)) continue;
    if (!same.empty() && same.front()->subject != key->subject) add();
    if (page.items.size() == *limit) {
      page.next_page_token = page.items.back().subject;
      break;
    }
    same.push_back(std::move(key));
  }
  add();
  reply.send(http::Response::json(to_json(page)));
}

void get_subject(App& app, const Request& request, Reply reply) {
  const auto then = query_then(app, request);
  if (!then) return reply.send(then.error());
  const auto subject = request.param("subject");
  auto keys = app.subjects->find(kTenant, subject);
  std::erase_if(keys, [&](const SubjectKeyPtr& key) { return !then->has(*key); });
  if (keys.empty()) return reply.send(not_found("subject", subject));
  reply.send(http::Response::json(with_position(then->position, to_json(row_of(keys)))));
}

Expected<Events> decide_shredding(const std::vector<SubjectKeyPtr>& keys,
                                  const std::string& reason) {
  // It stays in the log for ever.
  if (reason.find(keys.front()->subject) != reason.npos)
    return invalid("reason", "must not hold the subject's name, for it stays in the log");
  if (auto bad = actors::check_foreign(reason, {})) return *bad;
  Events out;
  for (const auto& key : keys) {
    auto events = decide(SubjectsState{}, ShredSubject{storage::to_hex(key->id), reason});
    if (!events) return events.error();
    out.insert(out.end(), events->begin(), events->end());
  }
  return out;
}

// What fails here is done at the next start, for the log says that it is to be done.
void destroy(App& app, const std::vector<SubjectKeyPtr>& keys, Position position, Reply reply) {
  for (const auto& key : keys)
    if (const auto done = app.subjects->shred(key->id); !done) {
      logging::error("a key could not be destroyed: {}", done.error().message);
      return reply.send(Error{done.error().code,
                              "the log says that the key is destroyed, but it could not be yet: " +
                                  done.error().message + " The next start of the server does it.",
                              ""});
    }
  ShreddedAnswer answer{.position = position};
  for (const auto& key : keys) answer.key_ids.push_back(storage::to_hex(key->id));
  reply.send(http::Response::json(to_json(answer)));
}

actors::AppendPtr shredding(actors::CommandMeta meta, Events events) {
  auto append = std::make_shared<actors::Append>();
  append->stream = kSubjectsStream;
  append->request = {std::move(meta.tenant),
                     std::move(meta.actor),
                     std::move(meta.command_id),
                     meta.causation,
                     meta.correlation,
                     std::move(meta.conditions),
                     {}};
  for (const auto& event : events)
    append->request.events.push_back(encode_event(event, append->stream));
  append->events = std::move(events);
  return append;
}

// The event first: a crash in between is made good at the next start. A key that is gone before its
// event was on disk could be an erasure that nobody ordered.
void shred(App& app, actors::CommandMeta meta, const std::string& subject,
           const std::string& reason, Reply reply) {
  // What was answered and not yet written would else be encrypted under the next key.
  if (!app.flusher->wait_written(std::chrono::seconds(10)))
    return reply.send(Error{ErrorCode::unavailable,
                            "predictions that were answered before are still being written: try "
                            "again",
                            ""});
  app.predictions.drop_finished();
  auto keys = app.subjects->find(kTenant, subject);
  if (keys.empty()) return reply.send(not_found("subject", subject));
  auto events = decide_shredding(keys, reason);
  if (!events) return reply.send(events.error());
  app.subjects->retire(kTenant, subject);
  auto append = shredding(std::move(meta), *std::move(events));
  append->done = [&app, keys = std::move(keys),
                  reply = std::move(reply)](Expected<actors::Outcome> result) mutable {
    if (!result) return reply.send(result.error());
    run_blocking(app, std::move(reply),
                 [&app, keys = std::move(keys), position = result->position](Reply r) {
                   destroy(app, keys, position, std::move(r));
                 });
  };
  app.context.writer.send(std::move(append));
}

void shred_subject(App& app, const Request& request, Reply reply) {
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  if (!meta->subject.empty()) return reply.send(actors::nothing_personal());
  run_blocking(app, std::move(reply),
               [&app, meta = *std::move(meta), subject = std::string(request.param("subject")),
                reason = std::string(request.query("reason").value_or(""))](Reply r) {
                 shred(app, meta, subject, reason, std::move(r));
               });
}

}  // namespace

void add_subject_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  router.get("/api/v1/subjects", on(list_subjects),
             {.summary = "Subjects that have a key, by name",
              .tag = "subjects",
              .response = json_schema<SubjectPage, schema::Numbers::any>(),
              .query = list_parameters("")});
  router.get("/api/v1/subjects/{subject*}", on(get_subject),
             {.summary = "The keys of one subject",
              .tag = "subjects",
              .response = answer_schema<SubjectRow>(),
              .query = as_of_parameter()});
  router.delete_("/api/v1/subjects/{subject*}", on(shred_subject),
                 {.summary = "Destroy a subject's keys: what they encrypted is erased everywhere",
                  .tag = "subjects",
                  .response = json_schema<ShreddedAnswer, schema::Numbers::any>(),
                  .query = {{"reason", "why; it stays in the log", "string", true}}});
}

}  // namespace mlforge::gateway
