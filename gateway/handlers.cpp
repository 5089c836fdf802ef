#include "gateway/handlers.hpp"

#include <spdlog/spdlog.h>

#include <charconv>

#include "events/checks.hpp"
#include "gateway/moment.hpp"

namespace mlforge::gateway {

Expected<actors::CommandMeta> command_meta(const http::Request& request) {
  actors::CommandMeta meta;
  meta.tenant = kTenant;
  const auto actor = request.header("X-Mlforge-Actor");
  if (actor.size() > 200 || has_control(actor))
    return invalid("X-Mlforge-Actor", "must have at most 200 bytes and no control characters");
  if (!actor.empty()) meta.actor = actor;
  const auto key = request.header("Idempotency-Key");
  if (key.size() > 128 || has_control(key))
    return invalid("Idempotency-Key", "must have at most 128 bytes and no control characters");
  if (key.starts_with("rule:"))
    return invalid("Idempotency-Key", "must not begin with 'rule:', which is the server's own");
  meta.command_id = key;
  meta.correlation = request.correlation();
  return meta;
}

std::string with_position(Position position, std::string_view row) {
  std::string out = "{\"position\":";
  append_json_uint(out, position);
  if (row.size() > 2) out += ',';
  out.append(row.substr(1));
  return out;
}

std::string outcome_json(const actors::Outcome& outcome, std::string_view more) {
  std::string out = "{\"position\":";
  append_json_uint(out, outcome.position);
  if (outcome.duplicate) out += ",\"duplicate\":true";
  if (!more.empty()) out.append(",").append(more);
  out += '}';
  return out;
}

std::string json_member(std::string_view name, std::string_view text) {
  std::string out;
  append_json_string(out, name);
  out += ':';
  append_json_string(out, text);
  return out;
}

Expected<std::uint64_t> path_number(const http::Request& request, std::string_view name) {
  const auto text = request.param(name);
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || value == 0)
    return invalid(name, "must be a whole number from 1 on");
  return value;
}

Expected<std::uint64_t> query_number(const http::Request& request, std::string_view name,
                                     std::uint64_t fallback, std::uint64_t minimum,
                                     std::uint64_t maximum) {
  const auto text = request.query(name);
  if (!text) return fallback;
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (code != std::errc{} || end != text->data() + text->size() || value < minimum ||
      value > maximum)
    return invalid(name, "must be a whole number from " + std::to_string(minimum) + " to " +
                             std::to_string(maximum));
  return value;
}

Expected<Position> query_as_of(const App& app, const http::Request& request) {
  const auto text = request.query("as_of");
  if (!text) return app.log->head();
  return parse_moment(*app.log, *text, "as_of");
}

Error standing_still(const App& app) {
  return {ErrorCode::unavailable,
          "the read models stand still at position " + std::to_string(app.projected.position()) +
              ": /readyz and the server's messages say why",
          ""};
}

void run_query(App& app, const http::Request& request, http::Reply reply,
               std::function<Expected<http::Response>(const QueryContext&)> query) {
  const auto as_of = query_as_of(app, request);
  if (!as_of) return reply.send(as_of.error());
  const bool now = !request.query("as_of");
  auto answer = [&app, reply = std::make_shared<http::Reply>(std::move(reply)),
                 query = std::move(query), now, position = *as_of] {
    if (app.projected.position() < position) return reply->send(standing_still(app));
    // Before the snapshot, which is then at least as new as it says.
    const Position seen = now ? std::max(position, app.projected.position()) : position;
    auto reader = app.views->reader();
    if (!reader) return reply->send(reader.error());
    reader->require(position);
    auto result = query(QueryContext{*reader, now ? UINT64_MAX : position, seen});
    if (reader->status())
      reply->send(*reader->status());
    else if (result)
      reply->send(*std::move(result));
    else
      reply->send(result.error());
  };
  if (app.projected.position() >= *as_of) return answer();
  app.projected.when(*as_of, [&app, answer] { app.server->post(answer); });
}

void run_blocking(App& app, http::Reply reply, std::function<void(http::Reply)> work) {
  boost::asio::post(*app.workers, [reply = std::make_shared<http::Reply>(std::move(reply)),
                                   work = std::move(work)] {
    try {
      work(std::move(*reply));
    } catch (const std::exception& e) {
      // The Reply has gone with the stack, and answered 500 as it went.
      spdlog::error("a request failed: {}", e.what());
    }
  });
}

}  // namespace mlforge::gateway
