#include "gateway/answers.hpp"

#include <utility>

#include "events/json.hpp"

namespace mlforge::gateway {
namespace {

// Goes through members that are given in several pieces.
class ObjectSchema {
 public:
  void add(const AnswerMember& member) {
    if (!properties_.empty()) properties_ += ',';
    append_json_string(properties_, member.name);
    properties_ += ':';
    if (member.schema.starts_with('{'))
      properties_ += member.schema;
    else
      properties_ += "{\"type\":\"" + member.schema + "\"}";
    if (!member.always) return;
    if (!required_.empty()) required_ += ',';
    append_json_string(required_, member.name);
  }
  std::string text() const {
    return "{\"type\":\"object\",\"properties\":{" + properties_ + "},\"required\":[" + required_ +
           "]}";
  }

 private:
  std::string properties_, required_;
};

}  // namespace

std::string object_answer_of(std::initializer_list<AnswerMember> members) {
  ObjectSchema schema;
  for (const auto& each : members) schema.add(each);
  return schema.text();
}

std::string array_of(const std::string& schema) {
  return R"({"type":"array","items":)" +
         (schema.starts_with('{') ? schema : "{\"type\":\"" + schema + "\"}") + "}";
}

std::string outcome_answer(std::initializer_list<AnswerMember> more) {
  ObjectSchema schema;
  schema.add({"position", "integer"});
  schema.add({"duplicate", "boolean", false});
  for (const auto& each : more) schema.add(each);
  return schema.text();
}

std::string stored_file_answer() {
  return outcome_answer(
      {{"path", "string"}, {"digest", "string"}, {"bytes", "integer"}, {"stored", "boolean"}});
}

std::string event_answer() {
  return object_answer_of({{"position", "integer"},
                           {"id", "string"},
                           {"type", "string"},
                           {"schema", "integer"},
                           {"tenant", "string"},
                           {"stream", "string"},
                           {"version", "integer"},
                           {"time", R"({"type":"string","format":"date-time"})"},
                           {"actor", "string"},
                           {"causation_id", "string", false},
                           {"correlation_id", "string", false},
                           {"command_id", "string", false},
                           {"expired", "boolean", false},
                           {"payload", "{}"}});
}

std::string event_page_answer() {
  return object_answer_of(
      {{"position", "integer"}, {"next_from", "integer"}, {"items", array_of(event_answer())}});
}

}  // namespace mlforge::gateway
