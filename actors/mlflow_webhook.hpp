// MLflow's webhooks: what happens in the registry, in the payloads that MLflow's own server sends.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "actors/webhook.hpp"
#include "storage/log.hpp"

namespace mlforge::actors {

// "model_version.created" and its like, as MLflow names them.
bool is_mlflow_event(std::string_view kind);
// Those that may follow the entity's name: "created" of "prompt"; empty for an unknown entity.
std::vector<std::string_view> mlflow_actions(std::string_view entity);
// The types of the log's events that they are made from, each once.
std::vector<std::string> log_types_of(const std::vector<std::string>& kinds);

// A list of kinds in SubscriptionSettings::subject.
std::vector<std::string> split_kinds(std::string_view subject);
std::string join_kinds(const std::vector<std::string>& kinds);

struct MlflowMessage {
  std::string kind;  // such as "model_version_tag.set"
  std::string data;  // JSON
};

// What MLflow would send for this event: nothing, or several, such as one for each tag. Reads the
// model's stream as it stood at the event, to tell prompts, which are models with a tag, from
// models. An Error where the log cannot be read.
Expected<std::vector<MlflowMessage>> mlflow_messages(const storage::Log& log,
                                                     const EventView& event);

// The body of one POST, written as by Python's json.dumps: receivers may check the signature over
// what they have written again themselves. `time` is that of what happened.
std::string mlflow_body(const MlflowMessage& message, TimeUs time);

// An example of a kind, for trying a webhook.
MlflowMessage mlflow_example(const std::string& kind);

// Content type, delivery id, time and, with a secret, the signature.
HttpPoster::Headers mlflow_headers(std::string_view secret, const Uuid& delivery,
                                   storage::Clock& clock, std::string_view body);

// Posts them one after the other; where one fails all of the event are sent again, each with the
// delivery id that it had.
Expected<std::unique_ptr<Sender>> make_mlflow_webhook(WebhookOptions options,
                                                      const storage::Log& log);

}  // namespace mlforge::actors
