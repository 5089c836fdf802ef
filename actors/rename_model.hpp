// A registered model that goes on under another name: the one command that writes two streams.
#pragma once
#include "actors/manager.hpp"
#include "events/checks.hpp"

namespace mlforge::actors {

// Decides on the states of both names; both events are written together or not at all.
inline void rename_model(ManagerContext& context, Repository<ModelState>& states,
                         const std::shared_ptr<const Forget>& forget, const RenameModel& command,
                         Request<RegistryBody>& request) {
  auto& meta = request.meta;
  const std::string from = "model/" + command.model, to = "model/" + command.to;
  if (auto bad = check_name("name", command.model)) return request.done(*bad);
  if (auto bad = check_name("new_name", command.to)) return request.done(*bad);
  if (!meta.subject.empty()) return request.done(nothing_personal());
  if (!meta.command_id.empty())
    if (const auto known = context.log->find_command(meta.tenant, meta.command_id))
      return request.done(outcome_from_log(*context.log, *known, from));
  if (auto bad = check_conditions(*context.log, meta.tenant, meta.conditions))
    return request.done(*bad);
  if (auto found = states.load(meta.tenant, from); !found)
    return request.done(context.log->writable().value_or(found.error()));
  auto target = states.load(meta.tenant, to);
  if (!target) return request.done(context.log->writable().value_or(target.error()));
  auto old = states.load(meta.tenant, from);  // the pointers of before may be gone
  if (!old) return request.done(old.error());
  target = states.load(meta.tenant, to);
  if (!target) return request.done(target.error());
  auto events = decide((*old)->state, (*target)->state, command);
  if (!events) return send_barrier(context, from, events.error(), meta, request.done);
  if (events->empty()) return send_barrier(context, from, {}, meta, request.done);
  std::vector<NewEvent> encoded{encode_event(events->front(), from),
                                encode_event(events->back(), to)};
  if (auto bad = check_sizes(encoded)) return send_barrier(context, from, *bad, meta, request.done);
  auto append = std::make_shared<Append>();
  append->request = {
      std::move(meta.tenant),     std::move(meta.actor),
      std::move(meta.command_id), meta.causation,
      meta.correlation,           {{from, (*old)->version}, {to, (*target)->version}},
      std::move(encoded)};
  auto& expected = append->request.expectations;
  expected.insert(expected.end(), meta.conditions.begin(), meta.conditions.end());
  fold((*old)->state, events->front());
  fold((*target)->state, events->back());
  ++(*old)->version;
  ++(*target)->version;
  append->stream = from;
  append->events = *std::move(events);
  append->done = std::move(request.done);
  append->forget = std::make_shared<const Forget>(
      [forget, to](const std::string& tenant, const std::string& stream) {
        (*forget)(tenant, stream);
        (*forget)(tenant, to);
      });
  context.decided.add(std::move(append));
}

}  // namespace mlforge::actors
