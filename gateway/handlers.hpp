// What handlers have in common: from a request to a command and its answer, from a query to its
// answer.
#pragma once
#include <concepts>
#include <string>
#include <utility>

#include "actors/repository.hpp"
#include "gateway/answers.hpp"
#include "gateway/app.hpp"
#include "gateway/hand_in.hpp"
#include "gateway/json_schema.hpp"

namespace mlforge::gateway {

inline constexpr const char* kTenant = "default";

// Who asks (X-Mlforge-Actor), the Idempotency-Key as command id, and the correlation id. The Error
// names the header. `uploaded`: the digest of a body that is not in the request.
Expected<actors::CommandMeta> command_meta(const http::Request& request,
                                           std::string_view uploaded = {});

// Whom the request is about (X-Mlforge-Subject): its personal fields are encrypted. Empty: nobody.
Expected<std::string> subject_of(const http::Request& request);

// {"position":N, ... the fields of the object `row` ...}
std::string with_position(Position position, std::string_view row);

// The start of every answer to a command.
std::string outcome_json(const actors::Outcome& outcome, std::string_view more = {});

// Hands a command to its manager; `answer(const Outcome&)` gives the body, `status` is of the
// success.
template <class Body, class Actor, class Answer>
void submit(const Actor& manager, const http::Request& request, http::Reply reply, Body body,
            int status, Answer answer, std::string_view uploaded = {}) {
  auto meta = command_meta(request, uploaded);
  if (!meta) return reply.send(meta.error());
  auto done = [reply = std::move(reply), status,
               answer = std::move(answer)](Expected<actors::Outcome> result) mutable {
    if (!result) return reply.send(result.error());
    reply.send(http::Response::json(answer(*result), status));
  };
  hand_in<Body>(manager, *std::move(meta), std::move(body), std::move(done));
}

// The same for what the server's rules and the scorer follow: answers when they have followed.
template <class Body, class Actor>
void submit_and_follow(App& app, const Actor& manager, const http::Request& request,
                       http::Reply reply, Body body, int status) {
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  auto done = [&app, status, reply = std::make_shared<http::Reply>(std::move(reply))](
                  Expected<actors::Outcome> result) {
    if (!result) return reply->send(result.error());
    app.ruled.when(result->position, [reply, status, text = outcome_json(*result)] {
      reply->send(http::Response::json(text, status));
    });
  };
  hand_in<Body>(manager, *std::move(meta), std::move(body), std::move(done));
}

// Reads the body strictly as T; answers the error itself and nothing where it is wrong.
template <class T>
std::optional<T> read_body(const http::Request& request, http::Reply& reply) {
  auto value = from_json<T>(request.body.empty() ? "{}" : request.body, Unknown::refuse);
  if (value) return *std::move(value);
  reply.send(value.error());
  return std::nullopt;
}

// "name":"text" and "name":value, for the pieces that answers are put together from.
std::string json_member(std::string_view name, std::string_view text);
template <class T>
requires(!std::convertible_to<T, std::string_view>) std::string
    json_member(std::string_view name, const T& value) {
  std::string out;
  append_json_string(out, name);
  out += ':';
  codec::write(out, value);
  return out;
}

// not_found of something that a field of the request names.
Error not_there(std::string_view field, std::string_view what, std::string_view name);

// A path parameter as a whole number from 1 on.
Expected<std::uint64_t> path_number(const http::Request& request, std::string_view name);

// What a query reads, and as of when.
struct QueryContext {
  projections::ViewReader& reader;
  Position as_of;     // bound for the rows: the position asked for, or the newest
  Position position;  // what the answer says it reflects
};

// Numbers and page tokens of the query string, as Errors that name the parameter.
Expected<std::uint64_t> query_number(const http::Request& request, std::string_view name,
                                     std::uint64_t fallback, std::uint64_t minimum,
                                     std::uint64_t maximum);

// ?as_of= as a position; `head` where it is absent.
Expected<Position> query_as_of(const App& app, const http::Request& request);

// The state of a stream as the log has it, for a handler that decides on it. Where the log is
// damaged and takes no more writes, that is what is said: read_only.
template <class State>
Expected<State> state_for_write(const App& app, const std::string& stream) {
  actors::Repository<State> states(*app.log, 1);
  auto entry = states.load(kTenant, stream);
  if (!entry) return app.log->writable().value_or(entry.error());
  return std::move((*entry)->state);
}

// The answer to a read that the read models cannot give.
Error standing_still(const App& app);

// With the encrypted texts in a JSON answer replaced by what they hold, or by "[erased]".
http::Response revealed(const App& app, http::Response response);

// Waits for the read models to reach the head as it stands now, then answers `query(QueryContext)
// -> Expected<Response>`.
void run_query(App& app, const http::Request& request, http::Reply reply,
               std::function<Expected<http::Response>(const QueryContext&)> query);

// The same for a query whose answer is a JSON object without its position.
template <class Query>
void run_object_query(App& app, const http::Request& request, http::Reply reply, Query query) {
  run_query(app, request, std::move(reply),
            [query = std::move(query)](const QueryContext& context) -> Expected<http::Response> {
              auto row = query(context);
              if (!row) return row.error();
              return http::Response::json(with_position(context.position, *row));
            });
}

// Runs `work` on the worker threads; what it throws is answered as internal.
void run_blocking(App& app, http::Reply reply, std::function<void(http::Reply)> work);

// Tables of routes, one file each.
// What the OpenAPI document says of the whole API.
http::ApiInfo api_info();

// One of the headers that commands have, for a route that reads no others of them.
http::QueryParam write_header(std::string_view name);

void add_system_routes(App& app, http::Router& router);
void add_event_routes(App& app, http::Router& router);
void add_travel_routes(App& app, http::Router& router);  // export
void add_backup_routes(App& app, http::Router& router);
void add_dataset_routes(App& app, http::Router& router);
void add_run_routes(App& app, http::Router& router);
void add_model_routes(App& app, http::Router& router);
void add_pipeline_routes(App& app, http::Router& router);
void add_endpoint_routes(App& app, http::Router& router);
void add_serving_routes(App& app, http::Router& router);
void add_subject_routes(App& app, http::Router& router);
void add_subscription_routes(App& app, http::Router& router);
void add_proof_routes(App& app, http::Router& router);
void add_archive_routes(App& app, http::Router& router);
// The first page: at /, or at /mlforge where MLflow's pages have that place.
void add_page_routes(App& app, http::Router& router);

}  // namespace mlforge::gateway
