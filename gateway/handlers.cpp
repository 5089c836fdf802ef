#include "gateway/handlers.hpp"

#include <algorithm>
#include <charconv>

#include "events/base64.hpp"
#include "events/checks.hpp"
#include "gateway/http/logging.hpp"
#include "gateway/moment.hpp"

namespace mlforge::gateway {

namespace {

constexpr std::size_t kMaxConditions = 16;

// "model/adult=7, run/abc=12"
Expected<std::vector<storage::Expectation>> parse_conditions(std::string_view text) {
  std::vector<storage::Expectation> out;
  while (!text.empty()) {
    auto item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    const auto equals = item.rfind('=');
    const auto stream = item.substr(0, equals);
    storage::Expectation condition{std::string(stream), 0};
    const auto* begin =
        item.data() + std::min(item.size(), equals == item.npos ? equals : equals + 1);
    const auto [end, code] = std::from_chars(begin, item.data() + item.size(), condition.version);
    if (stream.empty() || stream.find('/') == stream.npos || code != std::errc{} ||
        end != item.data() + item.size() || out.size() == kMaxConditions)
      return invalid(
          "X-Mlforge-Expect",
          "must be at most 16 conditions STREAM=VERSION, such as 'model/adult=7, run/abc=12'");
    out.push_back(std::move(condition));
  }
  return out;
}

// Of what makes two requests the same one.
std::string fingerprint(const http::Request& request, std::string_view uploaded) {
  storage::Sha256 hash;
  const char method = static_cast<char>(request.method);
  for (const auto text : {std::string_view(&method, 1), request.target, request.body, uploaded}) {
    hash.update(storage::as_bytes(text));
    hash.update(storage::as_bytes({"\0", 1}));
  }
  return to_string(hash.finish()).substr(0, 16);
}

// Who a client says that it is where it knows no header of ours: the user of HTTP's Basic
// authentication (RFC 7617). Nothing is proven by it.
std::string basic_user(const http::Request& request) {
  constexpr std::string_view kBasic = "basic ";
  const auto given = request.header("Authorization");
  const bool basic = given.size() > kBasic.size() &&
                     std::equal(kBasic.begin(), kBasic.end(), given.begin(), [](char a, char b) {
                       return a == (b >= 'A' && b <= 'Z' ? b + 32 : b);
                     });
  const auto pair = basic ? parse_base64(given.substr(kBasic.size())) : std::nullopt;
  if (!pair || has_control(*pair)) return {};
  return pair->substr(0, std::min(pair->find(':'), std::size_t{200}));
}

}  // namespace

Expected<actors::CommandMeta> command_meta(const http::Request& request,
                                           std::string_view uploaded) {
  actors::CommandMeta meta;
  meta.tenant = kTenant;
  const std::string named = basic_user(request);
  const auto given = request.header("X-Mlforge-Actor");
  const std::string_view actor = given.empty() ? std::string_view(named) : given;
  if (actor.size() > 200 || has_control(actor))
    return invalid("X-Mlforge-Actor", "must have at most 200 bytes and no control characters");
  if (!find_sealed(actor).empty())
    return invalid("X-Mlforge-Actor", "must not hold an encrypted text");
  if (!actor.empty()) meta.actor = actor;
  const auto key = request.header("Idempotency-Key");
  if (key.size() > 128 || has_control(key))
    return invalid("Idempotency-Key", "must have at most 128 bytes and no control characters");
  if (key.starts_with("rule:"))
    return invalid("Idempotency-Key", "must not begin with 'rule:', which is the server's own");
  if (!key.empty()) meta.command_id = std::string(key) + "#" + fingerprint(request, uploaded);
  meta.correlation = request.correlation();
  auto conditions = parse_conditions(request.header("X-Mlforge-Expect"));
  if (!conditions) return conditions.error();
  meta.conditions = *std::move(conditions);
  auto subject = subject_of(request);
  if (!subject) return subject.error();
  meta.subject = *std::move(subject);
  return meta;
}

Expected<std::string> subject_of(const http::Request& request) {
  const auto subject = request.header("X-Mlforge-Subject");
  // An empty one would store in the clear what its sender wants encrypted.
  const bool empty = subject.empty() && subject.data() != nullptr;
  if (empty || subject.size() > storage::kMaxSubjectBytes || has_control(subject))
    return invalid("X-Mlforge-Subject", "must have 1 to 200 bytes and no control characters");
  return std::string(subject);
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

Error not_there(std::string_view field, std::string_view what, std::string_view name) {
  auto error = not_found(what, name);
  error.field = field;
  return error;
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
  // With a log that has stopped and read models that stand still there is nothing to wait for.
  if (!text && app.projected.failed() && app.log->writable())
    return std::min(app.log->head(), app.projected.position());
  if (!text) return app.log->head();
  return parse_moment(*app.log, *text, "as_of");
}

Error standing_still(const App& app) {
  return {ErrorCode::unavailable,
          "the read models stand still at position " + std::to_string(app.projected.position()) +
              ": /readyz and the server's messages say why",
          ""};
}

http::Response revealed(const App& app, http::Response response) {
  response.body = app.subjects->reveal(kTenant, std::move(response.body));
  return response;
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
      reply->send(revealed(app, *std::move(result)));
    else
      reply->send(result.error());
  };
  if (app.projected.position() >= *as_of) return answer();
  app.projected.when(*as_of, [&app, answer] { app.server->post(answer); });
}

void run_blocking(App& app, http::Reply reply, std::function<void(http::Reply)> work) {
  app.workers->post(
      [reply = std::make_shared<http::Reply>(std::move(reply)), work = std::move(work)] {
        try {
          work(std::move(*reply));
        } catch (const std::exception& e) {
          // The Reply has gone with the stack, and answered 500 as it went.
          logging::error("a request failed: {}", e.what());
        }
      });
}

}  // namespace mlforge::gateway
