#include "actors/mlflow_webhook.hpp"

#include <algorithm>

#include "events/event_codec.hpp"
#include "events/json_tree.hpp"

namespace mlforge::actors {
namespace {

constexpr std::string_view kIsPrompt = "mlflow.prompt.is_prompt";
constexpr std::string_view kPromptText = "mlflow.prompt.text";
constexpr std::string_view kPromptType = "_mlflow_prompt_type";

struct MlflowKind {
  std::string_view name;  // entity.action
  std::string_view log_type;
  const char* example;  // empty: never happens here
};
constexpr MlflowKind kMlflowKinds[] = {
    {"registered_model.created", ModelRegistered::type,
     R"({"name":"example_model","tags":{"example_key":"example_value"},"description":"An example registered model"})"},
    {"model_version.created", ModelVersionCreated::type,
     R"({"name":"example_model","version":"1","source":"models:/123","run_id":"abcd1234abcd5678","tags":{"example_key":"example_value"},"description":"An example model version"})"},
    {"model_version_tag.set", ModelVersionTagsSet::type,
     R"({"name":"example_model","version":"1","key":"example_key","value":"example_value"})"},
    {"model_version_tag.deleted", ModelVersionTagRemoved::type,
     R"({"name":"example_model","version":"1","key":"example_key"})"},
    {"model_version_alias.created", ModelAliasSet::type,
     R"({"name":"example_model","alias":"example_alias","version":"1"})"},
    {"model_version_alias.deleted", ModelAliasRemoved::type,
     R"({"name":"example_model","alias":"example_alias"})"},
    {"prompt.created", ModelRegistered::type,
     R"({"name":"example_prompt","tags":{"example_key":"example_value"},"description":"An example prompt"})"},
    {"prompt_version.created", ModelVersionCreated::type,
     R"({"name":"example_prompt","version":"1","template":"Hello {{name}}!","tags":{"example_key":"example_value"},"description":"An example prompt version"})"},
    {"prompt_tag.set", ModelTagsSet::type,
     R"({"name":"example_prompt","key":"example_key","value":"example_value"})"},
    {"prompt_tag.deleted", ModelTagRemoved::type,
     R"({"name":"example_prompt","key":"example_key"})"},
    {"prompt_version_tag.set", ModelVersionTagsSet::type,
     R"({"name":"example_prompt","version":"1","key":"example_key","value":"example_value"})"},
    {"prompt_version_tag.deleted", ModelVersionTagRemoved::type,
     R"({"name":"example_prompt","version":"1","key":"example_key"})"},
    {"prompt_alias.created", ModelAliasSet::type,
     R"({"name":"example_prompt","alias":"example_alias","version":"1"})"},
    {"prompt_alias.deleted", ModelAliasRemoved::type,
     R"({"name":"example_prompt","alias":"example_alias"})"},
    {"budget_policy.exceeded", "",
     R"({"budget_policy_id":"bp-abc123","budget_unit":"USD","budget_amount":100.0,"current_spend":105.5,"duration_unit":"MONTHS","duration_value":1,"target_scope":"ENDPOINT","workspace":"default","target_value":"ep-abc123","window_start":1704067200000})"}};

const MlflowKind* find_mlflow_kind(std::string_view name) {
  for (const auto& each : kMlflowKinds)
    if (each.name == name) return &each;
  return nullptr;
}

// One JSON object, member by member.
class Payload {
 public:
  Payload& text(std::string_view name, std::string_view value) {
    begin(name);
    append_json_string(out_, value);
    return *this;
  }
  // null where it is empty.
  Payload& text_or_null(std::string_view name, std::string_view value) {
    if (!value.empty()) return text(name, value);
    begin(name);
    out_ += "null";
    return *this;
  }
  Payload& texts(std::string_view name, const Texts& values) {
    begin(name);
    codec::write(out_, values);
    return *this;
  }
  Payload& raw(std::string_view name, std::string_view json) {
    begin(name);
    out_ += json;
    return *this;
  }
  std::string done() && { return std::move(out_) + "}"; }

 private:
  void begin(std::string_view name) {
    if (out_.size() > 1) out_ += ',';
    append_json_string(out_, name);
    out_ += ':';
  }
  std::string out_ = "{";
};

bool says_prompt(const Texts& tags) {
  const auto at = tags.find(std::string(kIsPrompt));
  if (at == tags.end()) return false;
  std::string lower = at->second;
  for (auto& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return lower == "true";
}

// Whether the model was a prompt right after the event.
Expected<bool> was_prompt(const storage::Log& log, const EventView& until) {
  bool prompt = false;
  Status bad;
  const auto read = log.read_stream(
      until.tenant, until.stream, 1, until.version, UINT64_MAX, [&](const EventView& e) {
        const bool telling = e.type == ModelRegistered::type || e.type == ModelTagsSet::type ||
                             e.type == ModelTagRemoved::type || e.type == ModelTakenOver::type ||
                             e.type == ModelDeleted::type;
        if (!telling) return true;
        const auto event = decode_event(e);
        if (!event) {
          bad = event.error();
          return false;
        }
        if (const auto* made = get_if<ModelRegistered>(&*event))
          prompt = says_prompt(made->tags);
        else if (const auto* taken = get_if<ModelTakenOver>(&*event))
          prompt = says_prompt(taken->tags);
        else if (const auto* set = get_if<ModelTagsSet>(&*event))
          prompt = set->tags.contains(std::string(kIsPrompt)) ? says_prompt(set->tags) : prompt;
        else if (const auto* removed = get_if<ModelTagRemoved>(&*event))
          prompt = prompt && removed->key != kIsPrompt;
        else
          prompt = false;
        return true;
      });
  if (!read) return read.error();
  if (bad) return *bad;
  return prompt;
}

std::string take(Texts& tags, std::string_view key) {
  auto node = tags.extract(std::string(key));
  return node ? std::move(node.mapped()) : std::string();
}

// Writes MLflow's messages of one event; `prompt` says what the model is.
struct ToMessages {
  std::string model;
  bool prompt;
  std::vector<MlflowMessage> out = {};

  void add(const char* of_model, const char* of_prompt, Payload payload) {
    const char* kind = prompt ? of_prompt : of_model;
    if (*kind) out.push_back({kind, std::move(payload).done()});
  }
  Payload named() const { return std::move(Payload().text("name", model)); }
  Payload versioned(std::uint64_t version) const {
    return std::move(named().text("version", std::to_string(version)));
  }

  void operator()(const ModelRegistered& e) {
    Texts tags = e.tags;
    prompt = says_prompt(tags);
    if (prompt) take(tags, kIsPrompt), take(tags, kPromptType);
    add("registered_model.created", "prompt.created",
        std::move(named().texts("tags", tags).text("description", e.description)));
  }
  void operator()(const ModelVersionCreated& e) {
    Texts tags = e.tags;
    prompt = says_prompt(tags);
    auto payload = versioned(e.version);
    if (prompt) {
      take(tags, kIsPrompt), take(tags, kPromptType);
      payload.text_or_null("template", take(tags, kPromptText));
    } else {
      payload.text("source", e.source).text_or_null("run_id", e.run_id);
    }
    payload.texts("tags", tags).text_or_null("description", e.description);
    add("model_version.created", "prompt_version.created", std::move(payload));
  }
  void operator()(const ModelVersionTagsSet& e) {
    for (const auto& [key, value] : e.tags)
      add("model_version_tag.set", "prompt_version_tag.set",
          std::move(versioned(e.version).text("key", key).text("value", value)));
  }
  void operator()(const ModelVersionTagRemoved& e) {
    add("model_version_tag.deleted", "prompt_version_tag.deleted",
        std::move(versioned(e.version).text("key", e.key)));
  }
  void operator()(const ModelAliasSet& e) {
    add("model_version_alias.created", "prompt_alias.created",
        std::move(named().text("alias", e.alias).text("version", std::to_string(e.version))));
  }
  void operator()(const ModelAliasRemoved& e) {
    add("model_version_alias.deleted", "prompt_alias.deleted",
        std::move(named().text("alias", e.alias)));
  }
  void operator()(const ModelTagsSet& e) {
    for (const auto& [key, value] : e.tags)
      add("", "prompt_tag.set", std::move(named().text("key", key).text("value", value)));
  }
  void operator()(const ModelTagRemoved& e) {
    add("", "prompt_tag.deleted", std::move(named().text("key", e.key)));
  }
  template <class E>
  void operator()(const E&) {}
};

class MlflowWebhook final : public Sender {
 public:
  MlflowWebhook(WebhookOptions options, PostTarget target, const storage::Log& log)
      : c_(std::move(options)),
        kinds_(split_kinds(c_.settings.subject)),
        target_(std::move(target)),
        log_(log),
        poster_(c_.guard, c_.ca_file) {}

  SendResult send(const std::vector<Outgoing>& events) override {
    const auto& event = events.front().event;
    const auto messages = mlflow_messages(log_, event.view());
    if (!messages) return {SendResult::What::failed, messages.error().message, {}};
    for (std::size_t i = 0; i < messages->size(); ++i) {
      const auto& message = (*messages)[i];
      if (std::find(kinds_.begin(), kinds_.end(), message.kind) == kinds_.end()) continue;
      auto id = delivery_id(c_.log_id, c_.created, event.id);
      id.bytes.back() = static_cast<std::uint8_t>(id.bytes.back() + i);
      id.bytes[14] = static_cast<std::uint8_t>(id.bytes[14] + (i >> 8));
      const auto body = mlflow_body(message, event.time);
      auto result = judge(poster_.post(target_, mlflow_headers(c_.secret, id, *c_.clock, body),
                                       body, post_timeout(c_.settings)));
      if (result.what != SendResult::What::done) return result;
    }
    return {};
  }
  void stop() override { poster_.stop(); }

 private:
  const WebhookOptions c_;
  const std::vector<std::string> kinds_;
  const PostTarget target_;
  const storage::Log& log_;
  HttpPoster poster_;
};

}  // namespace

bool is_mlflow_event(std::string_view kind) { return find_mlflow_kind(kind) != nullptr; }

std::vector<std::string_view> mlflow_actions(std::string_view entity) {
  std::vector<std::string_view> out;
  for (const auto& each : kMlflowKinds)
    if (each.name.substr(0, each.name.find('.')) == entity)
      out.push_back(each.name.substr(entity.size() + 1));
  return out;
}

std::vector<std::string> log_types_of(const std::vector<std::string>& kinds) {
  std::vector<std::string> out;
  for (const auto& kind : kinds) {
    const auto* found = find_mlflow_kind(kind);
    const std::string type(found ? found->log_type : "");
    // One that never happens here: a type that no event has.
    const auto wanted = type.empty() ? "mlflow.never" : type;
    if (std::find(out.begin(), out.end(), wanted) == out.end()) out.push_back(wanted);
  }
  return out;
}

std::vector<std::string> split_kinds(std::string_view subject) {
  std::vector<std::string> out;
  while (!subject.empty()) {
    const auto end = std::min(subject.find(','), subject.size());
    out.emplace_back(subject.substr(0, end));
    subject.remove_prefix(std::min(end + 1, subject.size()));
  }
  return out;
}

std::string join_kinds(const std::vector<std::string>& kinds) {
  std::string out;
  for (const auto& each : kinds) out += (out.empty() ? "" : ",") + each;
  return out;
}

Expected<std::vector<MlflowMessage>> mlflow_messages(const storage::Log& log, const EventView& e) {
  const auto event = decode_event(e);
  if (!event) return event.error();
  bool prompt = false;
  if (e.type != ModelRegistered::type && e.type != ModelVersionCreated::type) {
    const auto was = was_prompt(log, e);
    if (!was) return was.error();
    prompt = *was;
  }
  ToMessages to{std::string(e.stream.substr(e.stream.find('/') + 1)), prompt};
  visit(to, *event);
  return std::move(to.out);
}

std::string mlflow_body(const MlflowMessage& message, TimeUs time) {
  const auto dot = message.kind.find('.');
  auto at = format_time(time);  // RFC 3339 with Z; MLflow writes the offset
  if (at.ends_with('Z')) at.replace(at.size() - 1, 1, "+00:00");
  auto body = std::move(Payload()
                            .text("entity", message.kind.substr(0, dot))
                            .text("action", message.kind.substr(dot + 1))
                            .text("timestamp", at)
                            .raw("data", message.data))
                  .done();
  const auto tree = parse_tree(body);
  return tree ? ascii_text(*tree) : body;
}

MlflowMessage mlflow_example(const std::string& kind) {
  const auto* found = find_mlflow_kind(kind);
  return {kind, found ? found->example : "{}"};
}

HttpPoster::Headers mlflow_headers(std::string_view secret, const Uuid& delivery,
                                   storage::Clock& clock, std::string_view body) {
  const auto id = to_string(delivery);
  const auto timestamp = std::to_string(clock.now() / 1'000'000);
  HttpPoster::Headers headers{{"Content-Type", "application/json"},
                              {"X-MLflow-Delivery-Id", id},
                              {"X-MLflow-Timestamp", timestamp}};
  if (!secret.empty())
    headers.emplace_back("X-MLflow-Signature", webhook_signature(secret, id, timestamp, body));
  return headers;
}

Expected<std::unique_ptr<Sender>> make_mlflow_webhook(WebhookOptions options,
                                                      const storage::Log& log) {
  auto target = parse_post_target(options.settings.url);
  if (!target) return target.error();
  return std::unique_ptr<Sender>(
      std::make_unique<MlflowWebhook>(std::move(options), *std::move(target), log));
}

}  // namespace mlforge::actors
