#include "actors/manager.hpp"

#include "events/checks.hpp"
#include "storage/digest.hpp"

namespace mlforge::actors {

Expected<Outcome> outcome_from_log(const storage::Log& log, const storage::Appended& appended,
                                   std::string_view stream) {
  if (appended.other_request)
    return Error{ErrorCode::conflict,
                 "this Idempotency-Key was used for another request: draw a new one",
                 "Idempotency-Key"};
  Outcome outcome{.position = appended.last, .duplicate = true};
  Status bad;
  const auto read =
      log.read(appended.first, appended.last - appended.first + 1, [&](const EventView& e) {
        if (e.stream != stream)
          bad = conflict("this Idempotency-Key was used for another request, on " +
                         std::string(e.stream));
        else if (auto event = decode_event(e))
          outcome.events.push_back(*std::move(event));
        else
          bad = event.error();
        return !bad;
      });
  if (!read) return read.error();
  if (bad) return *bad;
  return outcome;
}

void send_barrier(ManagerContext& context, std::string stream, Status refusal, CommandMeta& meta,
                  Completion& done) {
  auto append = std::make_shared<Append>();
  append->request.tenant = std::move(meta.tenant);
  append->request.command_id = std::move(meta.command_id);
  append->stream = std::move(stream);
  append->refusal = std::move(refusal);
  append->done = std::move(done);
  context.decided.add(std::move(append));
}

namespace {

// Set where an event or its stream holds a sealed text that this command did not make.
Status check_foreign(const std::vector<NewEvent>& events, const std::set<std::string>& made) {
  for (const auto& event : events)
    for (const std::string_view text :
         {std::string_view(event.stream), std::string_view(event.payload)})
      if (auto bad = actors::check_foreign(text, made)) return bad;
  return {};
}

Expected<std::vector<NewEvent>> encode_all(const Events& events, const std::string& stream,
                                           const std::set<std::string>& made) {
  std::vector<NewEvent> encoded;
  encoded.reserve(events.size());
  for (const auto& event : events) encoded.push_back(encode_event(event, stream));
  auto bad = check_sizes(encoded);
  if (!bad) bad = check_foreign(encoded, made);
  if (bad) return *bad;
  return encoded;
}

}  // namespace

void decide_and_append(ManagerContext& context, RecentIds& recent,
                       const std::shared_ptr<const Forget>& forget, std::string stream,
                       Decider& decider, const std::set<std::string>& made, CommandMeta& meta,
                       Completion& done) {
  if (!meta.command_id.empty()) {
    if (const auto known = context.log->find_command(meta.tenant, meta.command_id))
      return done(outcome_from_log(*context.log, *known, stream));
    if (recent.contains(meta))
      return send_barrier(
          context, std::move(stream),
          Error{ErrorCode::unavailable,
                "the first request with this Idempotency-Key failed: try again", ""},
          meta, done);
  }
  if (auto bad = check_conditions(*context.log, meta.tenant, meta.conditions)) return done(*bad);
  if (auto bad = decider.load(meta.tenant, stream))
    return done(context.log->writable().value_or(*bad));
  auto events = decider.decide();
  if (!events) return send_barrier(context, std::move(stream), events.error(), meta, done);
  if (events->empty()) return send_barrier(context, std::move(stream), {}, meta, done);
  auto encoded = encode_all(*events, stream, made);
  if (!encoded) return send_barrier(context, std::move(stream), encoded.error(), meta, done);
  const auto version = decider.fold(*events);
  recent.add(meta);
  auto append = std::make_shared<Append>();
  append->request = {std::move(meta.tenant), std::move(meta.actor), std::move(meta.command_id),
                     meta.causation,         meta.correlation,      {{stream, version}},
                     *std::move(encoded)};
  auto& expected = append->request.expectations;
  expected.insert(expected.end(), meta.conditions.begin(), meta.conditions.end());
  append->stream = std::move(stream);
  append->events = *std::move(events);
  append->done = std::move(done);
  append->forget = forget;
  context.decided.add(std::move(append));
}

std::string fresh_id(const CommandMeta& meta, storage::IdSource& ids, storage::Clock& clock) {
  if (!meta.command_id.empty()) {
    const auto text = meta.tenant + '\n' + meta.command_id;
    return to_string(storage::sha256(storage::as_bytes(text))).substr(0, 32);
  }
  std::string id = to_string(ids.next(clock.now()));
  std::erase(id, '-');
  return id;
}

Status check_conditions(const storage::Log& log, std::string_view tenant,
                        std::span<const storage::Expectation> conditions) {
  for (const auto& each : conditions) {
    const auto holds = log.stream_version(tenant, each.stream);
    if (!holds) return holds.error();
    if (*holds != each.version)
      return Error{ErrorCode::conflict,
                   "the condition " + each.stream + "=" + std::to_string(each.version) +
                       " does not hold: the stream has " + std::to_string(*holds) + " events",
                   "X-Mlforge-Expect"};
  }
  return {};
}

Status check_sizes(const std::vector<NewEvent>& events) {
  constexpr std::size_t kEnvelope = 4096;
  for (const auto& event : events)
    if (event.payload.size() + kEnvelope > storage::Log::max_event_bytes())
      return Error{ErrorCode::payload_too_large,
                   "the request makes an event of " + std::to_string(event.payload.size()) +
                       " bytes, and an event has at most 8 MiB: send it in parts",
                   ""};
  return {};
}

}  // namespace mlforge::actors
