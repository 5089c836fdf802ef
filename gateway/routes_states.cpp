#include "events/checks.hpp"
#include "gateway/http/logging.hpp"
#include "gateway/states.hpp"
#include "gateway/table_routes.hpp"
#include "projections/stream_states.hpp"

namespace mlforge::gateway {
namespace {

using http::Reply;
using http::Request;
using projections::StreamStates;

std::string state_json(Position position, const std::string& stream, std::uint64_t version,
                       const Compacted& state) {
  std::string out = "{" + json_member("position", position) + "," +
                    json_member("stream", std::string_view(stream)) + "," +
                    json_member("version", version) + "," + json_member("count", state.count) +
                    ",\"state\":[";
  for (const auto& event : state.events) {
    const auto stored = encode_event(event);
    if (out.back() != '[') out += ',';
    out += "{" + json_member("type", std::string_view(stored.type)) + ",\"payload\":";
    append_payload_json(out, stored.type, stored.schema, stored.content_type, stored.payload);
    out += '}';
  }
  return out + "]}";
}

template <class State>
Expected<std::string> find_state(const StreamStates& states, const std::string& stream,
                                 Position as_of) {
  const auto at = states.at<State>(kTenant, stream, as_of);
  if (!at) return at.error();
  if (at->version == 0) return not_found("stream", stream);
  return state_json(as_of, stream, at->version, compact(at->state));
}

struct Kind {
  std::string_view name;
  Expected<std::string> (*find)(const StreamStates&, const std::string&, Position);
};
constexpr Kind kKinds[] = {{"dataset", find_state<DatasetState>},
                           {"experiments", find_state<ExperimentsState>},
                           {"run", find_state<RunState>},
                           {"logged_model", find_state<LoggedModelState>},
                           {"artifacts", find_state<ArtifactsState>},
                           {"trace", find_state<TraceState>},
                           {"evaluation_dataset", find_state<EvaluationDatasetState>},
                           {"scorers", find_state<ScorersState>},
                           {"issue", find_state<IssueState>},
                           {"label_schemas", find_state<LabelSchemasState>},
                           {"model", find_state<ModelState>},
                           {"pipeline", find_state<PipelineState>},
                           {"pipeline_run", find_state<PipelineRunState>},
                           {"environment", find_state<EnvironmentState>},
                           {"deployment", find_state<EndpointState>},
                           {"predictions", find_state<PredictionsState>},
                           {"drift", find_state<DriftState>},
                           {"subscription", find_state<SubscriptionState>}};

void show_state(App& app, const std::shared_ptr<const StreamStates>& states, const Request& request,
                Reply reply) {
  const auto as_of = query_as_of(app, request);
  if (!as_of) return reply.send(as_of.error());
  const std::string stream(request.param("stream"));
  const auto kind = stream.substr(0, stream.find('/'));
  for (const auto& each : kKinds) {
    if (each.name != kind) continue;
    return run_blocking(app, std::move(reply), [=, &app, as_of = *as_of](Reply answer) {
      const auto found = each.find(*states, stream, as_of);
      if (found)
        answer.send(revealed(app, http::Response::json(*found)));
      else
        answer.send(found.error());
    });
  }
  reply.send(invalid("stream", "must be the name of a stream, such as model/adult or run/<id>"));
}

}  // namespace

void add_state_route(App& app, http::Router& router) {
  auto opened =
      StreamStates::open(std::filesystem::path(app.config.data_dir) / "snapshots", *app.log);
  std::shared_ptr<const StreamStates> states;
  if (opened)
    states = *std::move(opened);
  else
    logging::warn("snapshots of streams cannot be used: {}", opened.error().message);
  router.get(
      "/api/v1/states/{stream*}",
      [&app, states](const Request& request, Reply reply) {
        if (states) return show_state(app, states, request, std::move(reply));
        reply.send(Error{ErrorCode::unavailable,
                         "the snapshots could not be opened; the server's messages say why", ""});
      },
      {.summary = "What a stream had come to, as the shortest history that leads there",
       .tag = "events",
       .response = object_answer_of(
           {{"position", "integer"},
            {"stream", "string"},
            {"version", "integer"},
            {"count", "integer"},
            {"state", array_of(object_answer_of({{"type", "string"}, {"payload", "{}"}}))}}),
       .query = as_of_parameter()});
}

}  // namespace mlforge::gateway
