// events: the log itself, as pages or live.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <thread>

#include "gateway/cli/groups.hpp"
#include "projections/audit.hpp"

namespace mlforge::gateway::cli {
namespace events_group {
namespace {

struct EventRow {
  Position position = 0;
  std::string type, stream, time, actor;
  RawJson payload;
  static constexpr auto fields() {
    return FieldList{field("position", &EventRow::position), field("type", &EventRow::type),
                     field("stream", &EventRow::stream),     field("time", &EventRow::time),
                     field("actor", &EventRow::actor),       field("payload", &EventRow::payload)};
  }
};

struct EventPage {
  std::vector<RawJson> items;
  Position position = 0, next_from = 0;
  static constexpr auto fields() {
    return FieldList{field("items", &EventPage::items), field("position", &EventPage::position),
                     field("next_from", &EventPage::next_from)};
  }
};

struct AuditPage {
  std::vector<projections::AuditRow> items;
  std::string next_page_token;
  static constexpr auto fields() {
    return FieldList{field("items", &AuditPage::items),
                     field("next_page_token", &AuditPage::next_page_token)};
  }
};

struct Head {
  Position position = 0;
  static constexpr auto fields() { return FieldList{field("position", &Head::position)}; }
};

struct Options {
  std::string from, stream, type, since, until, as_of;
  std::uint64_t limit = 0;  // 0: not given
  bool follow = false, payload = false;
};

// One event a line. The widths are fixed, because lines come one by one.
int print_event(const Session& s, const Options& options, std::string_view json) {
  if (s.json) {
    s.line(json);
    return kOk;
  }
  const auto row = from_json<EventRow>(json, Unknown::skip);
  if (!row) return s.fail(row.error());
  std::string text = fmt::format("{:>8}  {}  {:<28}  {:<36}  {}", row->position,
                                 time_text(row->time), row->type, row->stream, row->actor);
  if (options.payload) text += "  " + row->payload.text;
  s.line(text);
  return kOk;
}

Query filters(const Options& options) {
  Query query;
  query.add("stream", options.stream).add("type", options.type);
  query.add("since", options.since).add("until", options.until);
  return query;
}

// "-20" counts back from the head: the last 20.
Expected<Position> start_position(Api& api, const std::string& text) {
  std::int64_t from = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), from);
  if (bad != std::errc{} || end != text.data() + text.size())
    return Error{ErrorCode::invalid_argument,
                 "--from must be a position, or -N for the last N events, not '" + text + "'",
                 "from"};
  if (from >= 0) return static_cast<Position>(from);
  const auto head = api.get_as<Head>("/api/v1/info");
  if (!head) return head.error();
  const auto back = static_cast<Position>(-from);
  return head->value.position < back ? 1 : head->value.position - back + 1;
}

int list_events(const Session& s, const Options& options) {
  Api api = s.api();
  const auto start = start_position(api, options.from.empty() ? "1" : options.from);
  if (!start) return s.fail(start.error());
  Position from = *start;
  std::uint64_t left = options.limit ? options.limit : 100;
  while (left > 0) {
    auto query = filters(options);
    query.add("from", std::to_string(from)).add("as_of", options.as_of);
    query.add("limit", std::to_string(std::min<std::uint64_t>(left, 1000)));
    const auto page = api.get_as<EventPage>("/api/v1/events" + query.text());
    if (!page) return s.fail(page.error());
    for (const auto& item : page->value.items)
      if (const int bad = print_event(s, options, item.text)) return bad;
    left -= std::min<std::uint64_t>(left, page->value.items.size());
    from = page->value.next_from;
    if (from == 0 || from > page->value.position) return kOk;
  }
  s.note("there may be more: --from " + std::to_string(from));
  return kOk;
}

// The first position is settled before the stream opens, so that nothing is missed or told twice
// when the connection breaks and is made again.
int follow_events(const Session& s, const Options& options) {
  if (!options.as_of.empty())
    return s.fail({ErrorCode::invalid_argument,
                   "--as-of is a moment of the past and --follow goes on: give one of them",
                   "as_of"});
  Api api = s.api();
  const auto head = api.get_as<Head>("/api/v1/info");
  if (!head) return s.fail(head.error());
  auto start = options.from.empty() ? Expected<Position>(head->value.position + 1)
                                    : start_position(api, options.from);
  if (!start) return s.fail(start.error());
  auto query = filters(options);
  query.add("from", std::to_string(*start));
  std::string last_id;
  std::uint64_t seen = 0;
  bool finished = false;
  int code = kOk;
  const auto take = [&](const http::SseEvent& event) {
    last_id = event.id;
    code = print_event(s, options, event.data);
    s.io.out.flush();
    finished = code != kOk || !s.io.out || ++seen == options.limit;
    return !finished;
  };
  while (true) {
    const auto broken = api.client().events("/api/v1/live/events" + query.text(), last_id, take);
    if (finished) return code;
    if (broken && broken->code != ErrorCode::unavailable && broken->code != ErrorCode::timeout)
      return s.fail(*broken);
    s.note("the connection ended; going on after " +
           (last_id.empty() ? "position " + std::to_string(*start - 1) : "event " + last_id));
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

struct AuditOptions {
  ListOptions list;
  std::string stream, type, actor, since, until;
};

int show_audit(const Session& s, const AuditOptions& o) {
  auto query = o.list.query();
  query.add("stream", o.stream).add("type", o.type).add("actor", o.actor);
  query.add("since", o.since).add("until", o.until);
  Table table({{"position", true}, {"time"}, {"actor"}, {"type"}, {"what"}});
  return show_page(s, s.api().get_as<AuditPage>("/api/v1/audit" + query.text()), std::move(table),
                   "nothing of that kind is in the log",
                   [](Table& to, const projections::AuditRow& row) {
                     to.row({std::to_string(row.position), time_text(row.time), row.actor, row.type,
                             row.summary});
                   });
}

}  // namespace
}  // namespace events_group

void add_event_commands(CLI::App& root, Session& s) {
  using namespace events_group;
  const auto o = std::make_shared<Options>();
  auto* c = s.remote(root, "events", "Read the log, or follow it",
                     "  mlforge events --from -20\n"
                     "  mlforge events --type 'model.*' --since 2026-11-21T00:00:00Z --payload\n"
                     "  mlforge events --stream 'run/*' --follow --json",
                     [&s, o] { return o->follow ? follow_events(s, *o) : list_events(s, *o); });
  c->add_flag("-f,--follow", o->follow, "Go on with events as they happen");
  c->add_option("--from", o->from, "First position; -20: the last 20 (default 1; new ones with -f)")
      ->type_name("N");
  c->add_option("--limit", o->limit, "End after so many (default 100; none with -f)")
      ->type_name("N")
      ->check(from_one());
  c->add_option("--stream", o->stream, "A stream, or its start with *: 'run/*'");
  c->add_option("--type", o->type, "A type, or its start with *: 'run.*'");
  c->add_option("--since", o->since, "RFC 3339 time, or a date")->type_name("TIME");
  c->add_option("--until", o->until, "RFC 3339 time, or a date")->type_name("TIME");
  c->add_flag("--payload", o->payload, "Show the payloads too");
  add_as_of(*c, o->as_of);
  const auto a = std::make_shared<AuditOptions>();
  auto* audit = s.remote(root, "audit", "Who did what, when, to what; the newest first",
                         "  mlforge audit --stream model/adult\n"
                         "  mlforge audit --type model.alias --actor ann --since 2026-11-21 --json",
                         [&s, a] { return show_audit(s, *a); });
  a->list.add_to(*audit);
  audit->add_option("--stream", a->stream, "The whole name of a stream");
  audit->add_option("--type", a->type, "A type, or its start: model.alias");
  audit->add_option("--actor", a->actor, "Who did it");
  audit->add_option("--since", a->since, "RFC 3339 time, or a date")->type_name("TIME");
  audit->add_option("--until", a->until, "RFC 3339 time, or a date")->type_name("TIME");
}

}  // namespace mlforge::gateway::cli
