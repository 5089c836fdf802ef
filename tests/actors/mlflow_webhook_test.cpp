// What MLflow's webhooks send for events of the log.
#include "actors/mlflow_webhook.hpp"

#include <catch2/catch.hpp>

#include "storage/memory_log.hpp"

namespace mlforge::actors::test {
namespace {

const Texts kPromptTag{{"mlflow.prompt.is_prompt", "true"}};

struct Models {
  storage::MemoryLog log;

  // Appends one event and answers what is sent for it, as "kind data".
  std::vector<std::string> sent(const std::string& model, const Event& event) {
    storage::AppendRequest request;
    request.tenant = "default";
    request.events.push_back(encode_event(event, "model/" + model));
    const auto appended = log.append({&request, 1});
    REQUIRE(appended.size() == 1);
    REQUIRE(appended[0]);
    std::vector<std::string> out;
    const auto read = log.read(appended[0]->last, 1, [&](const EventView& e) {
      const auto messages = mlflow_messages(log, e);
      REQUIRE(messages);
      for (const auto& each : *messages) {
        CHECK(is_mlflow_event(each.kind));
        CHECK(codec::is_json(mlflow_body(each, e.time)));
        out.push_back(each.kind + " " + each.data);
      }
      return true;
    });
    REQUIRE(read);
    return out;
  }
};

using Sent = std::vector<std::string>;

}  // namespace

TEST_CASE("mlflow webhook: kinds") {
  CHECK(is_mlflow_event("prompt_version_tag.deleted"));
  CHECK_FALSE(is_mlflow_event("model_version.deleted"));
  CHECK(mlflow_actions("model_version_tag") == std::vector<std::string_view>{"set", "deleted"});
  CHECK(mlflow_actions("nobody").empty());
  const std::vector<std::string> kinds{"prompt.created", "registered_model.created"};
  CHECK(split_kinds(join_kinds(kinds)) == kinds);
  CHECK(log_types_of(kinds) == std::vector<std::string>{"model.registered"});
  CHECK(log_types_of({"budget_policy.exceeded"}).size() == 1);
  for (const auto* kind : {"model_version.created", "budget_policy.exceeded"})
    CHECK(codec::is_json(mlflow_example(kind).data));
}

TEST_CASE("mlflow webhook: a model and a prompt of the same events") {
  Models models;
  CHECK(models.sent("m", ModelRegistered{.name = "m"}) ==
        Sent{R"(registered_model.created {"name":"m","tags":{},"description":""})"});
  CHECK(models.sent("p", ModelRegistered{.name = "p", .tags = kPromptTag}) ==
        Sent{R"(prompt.created {"name":"p","tags":{},"description":""})"});
  const ModelVersionTagsSet tags{.version = 2, .tags = {{"a", "1"}, {"b", "2"}}};
  CHECK(models.sent("m", tags) ==
        Sent{R"(model_version_tag.set {"name":"m","version":"2","key":"a","value":"1"})",
             R"(model_version_tag.set {"name":"m","version":"2","key":"b","value":"2"})"});
  CHECK(models.sent("p", tags)[0] ==
        R"(prompt_version_tag.set {"name":"p","version":"2","key":"a","value":"1"})");
  CHECK(models.sent("m", ModelTagsSet{.tags = {{"a", "1"}}}).empty());
  CHECK(models.sent("p", ModelTagsSet{.tags = {{"a", "1"}}}) ==
        Sent{R"(prompt_tag.set {"name":"p","key":"a","value":"1"})"});
  CHECK(models.sent("m", ModelDescribed{.description = "x"}).empty());
}

TEST_CASE("mlflow webhook: a model is a prompt while it has the tag") {
  Models models;
  models.sent("m", ModelRegistered{.name = "m"});
  const ModelAliasSet alias{.alias = "best", .version = 1};
  CHECK(models.sent("m", alias) ==
        Sent{R"(model_version_alias.created {"name":"m","alias":"best","version":"1"})"});
  models.sent("m", ModelTagsSet{.tags = kPromptTag});
  CHECK(models.sent("m", alias) ==
        Sent{R"(prompt_alias.created {"name":"m","alias":"best","version":"1"})"});
  models.sent("m", ModelTagRemoved{.key = "mlflow.prompt.is_prompt"});
  CHECK(models.sent("m", ModelAliasRemoved{.alias = "best"}) ==
        Sent{R"(model_version_alias.deleted {"name":"m","alias":"best"})"});
}

}  // namespace mlforge::actors::test
