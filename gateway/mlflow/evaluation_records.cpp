#include "gateway/mlflow/evaluation_records.hpp"

#include <algorithm>
#include <cctype>

#include "storage/digest.hpp"

namespace mlforge::gateway::mlflow {
namespace evaluation_records_local {
namespace {

constexpr const char* kUserTag = "mlflow.user";
constexpr std::string_view kSourceTypes[] = {"UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT", "CODE"};

Error refused(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), "records"};
}

std::string sha256_text(std::string_view text) {
  return storage::to_string(storage::sha256(storage::as_bytes(text)));
}

// Upper case, with the data that there is; empty where the record says no source.
Expected<std::string> read_source(const JsonTree* source, const std::string& where) {
  if (!source || source->is_falsy()) return std::string();
  const auto* type = source->find("source_type");
  if (!type || type->kind != JsonTree::text)
    return refused(where + ".source must be an object with the text 'source_type'");
  std::string name = type->value;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (std::find(std::begin(kSourceTypes), std::end(kSourceTypes), name) == std::end(kSourceTypes))
    return refused("Invalid dataset record source type: " + name +
                   ". Valid source types: ['UNSPECIFIED', 'TRACE', 'HUMAN', 'DOCUMENT', 'CODE']");
  const auto* data = source->find("source_data");
  if (data && data->kind != JsonTree::object && data->kind != JsonTree::null)
    return refused(where + ".source.source_data must be an object");
  std::string out = "{\"source_type\": ";
  append_json_string(out, name);
  out += ", \"source_data\": ";
  if (data && data->kind == JsonTree::object)
    append_tree(out, *data);
  else
    out += "{}";
  return out + '}';
}

// The text of an object; empty where there is none.
Expected<std::string> read_object(const JsonTree* tree, const std::string& name) {
  if (!tree || (tree->is_falsy() && tree->kind != JsonTree::object)) return std::string();
  if (tree->kind != JsonTree::object) return refused(name + " must be an object");
  return to_text(*tree);
}

Expected<EvaluationRecord> read_record(const JsonTree& tree, const std::string& where) {
  EvaluationRecord out;
  if (tree.kind != JsonTree::object) return refused("Each record must be a dictionary: " + where);
  JsonTree none;
  none.kind = JsonTree::object;
  const auto* inputs = tree.find("inputs");
  if (!inputs) inputs = &none;
  if (inputs->kind != JsonTree::object)
    return refused("inputs must be provided: " + where + ".inputs must be an object");
  out.inputs = to_text(*inputs);
  out.input_hash = sha256_text(canonical_text(*inputs));
  if (const auto* outputs = tree.find("outputs")) out.outputs = to_text(*outputs);
  auto expectations = read_object(tree.find("expectations"), where + ".expectations");
  if (!expectations) return expectations.error();
  out.expectations = *std::move(expectations);
  auto tags = read_object(tree.find("tags"), where + ".tags");
  if (!tags) return tags.error();
  out.tags = *std::move(tags);
  auto source = read_source(tree.find("source"), where);
  if (!source) return source.error();
  out.source = *std::move(source);
  return out;
}

std::string as_text(const JsonTree& tree) {
  if (tree.kind == JsonTree::text) return tree.value;
  if (tree.kind == JsonTree::boolean) return tree.flag ? "True" : "False";
  return to_text(tree);
}

void append_types(std::string& out, const char* name, const Texts& types) {
  append_json_string(out, name);
  out += ": {";
  for (auto at = types.begin(); at != types.end(); ++at) {
    if (at != types.begin()) out += ", ";
    append_json_string(out, at->first);
    out += ": ";
    append_json_string(out, at->second);
  }
  out += '}';
}

std::string schema_text(const projections::EvaluationSchema& schema) {
  std::string out = "{";
  append_types(out, "inputs", schema.inputs);
  out += ", ";
  if (schema.outputs_type.empty()) {
    append_types(out, "outputs", schema.outputs);
  } else {
    out += "\"outputs\": ";
    append_json_string(out, schema.outputs_type);
  }
  out += ", ";
  append_types(out, "expectations", schema.expectations);
  return out + ", \"version\": \"1.0\"}";
}

// The id of what a record is from: a trace, or what else its maker calls it.
std::string source_id(const std::string& type, const JsonTree& source) {
  const auto* data = source.find("source_data");
  const auto* id = data ? data->find(type == "TRACE" ? "trace_id" : "source_id") : nullptr;
  return id && id->kind == JsonTree::text ? id->value : std::string();
}

// Members of one JSON object, written as Python does.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) { out_ += '{'; }
  ~Members() { out_ += '}'; }
  void raw(const char* name, std::string_view json) {
    if (json.empty()) return;
    if (out_.back() != '{') out_ += ", ";
    append_json_string(out_, name);
    out_ += ": ";
    out_ += json;
  }
  void text(const char* name, std::string_view value) {
    std::string quoted;
    append_json_string(quoted, value);
    if (!value.empty()) raw(name, quoted);
  }

 private:
  std::string& out_;
};

}  // namespace
}  // namespace evaluation_records_local

Expected<MergeEvaluationRecords> read_evaluation_records(std::string_view text) {
  using namespace evaluation_records_local;
  const auto tree = parse_tree(text);
  if (!tree) return refused("records must be the JSON of a list: " + tree.error().message);
  if (tree->kind != JsonTree::list) return refused("records must be the JSON of a list");
  MergeEvaluationRecords out;
  for (const auto& each : tree->items) {
    auto record = read_record(each, "records[" + std::to_string(out.records.size()) + "]");
    if (!record) return record.error();
    out.records.push_back(*std::move(record));
    const auto* tags = each.find("tags");
    const auto* user = tags ? tags->find(kUserTag) : nullptr;
    if (user && user->kind == JsonTree::text) out.updated_by = user->value;
  }
  return out;
}

Expected<Texts> read_evaluation_tags(std::string_view text) {
  using namespace evaluation_records_local;
  const auto tree = parse_tree(text);
  if (!tree || tree->kind != JsonTree::object)
    return Error{ErrorCode::invalid_argument, "tags must be the JSON of an object", "tags"};
  Texts out;
  for (std::size_t i = 0; i < tree->names.size(); ++i)
    if (tree->items[i].kind != JsonTree::null) out[tree->names[i]] = as_text(tree->items[i]);
  return out;
}

void write_evaluation_dataset(std::string& out, const projections::EvaluationDatasetRow& row,
                              bool experiments) {
  using namespace evaluation_records_local;
  const auto digest = sha256_text(row.name + ":" + std::to_string(row.digest_ms)).substr(0, 8);
  Object object(out);
  object.text("dataset_id", row.dataset_id)
      .text("name", row.name)
      .text("tags", to_json(row.tags))
      .some_text("schema", row.schema.known ? schema_text(row.schema) : "")
      .some_text("profile", row.profile)
      .text("digest", digest)
      .integer("created_time", row.created_ms)
      .integer("last_update_time", row.updated_ms)
      .some_text("created_by", row.created_by)
      .some_text("last_updated_by", row.updated_by);
  if (experiments) object.array("experiment_ids", row.experiment_ids, append_json_string);
}

void append_evaluation_record(std::string& out, std::string_view dataset_id,
                              const projections::EvaluationRecordRow& row) {
  using namespace evaluation_records_local;
  const auto source = row.source.empty() ? Expected<JsonTree>(JsonTree()) : parse_tree(row.source);
  const auto* type = source ? source->find("source_type") : nullptr;
  Members members(out);
  members.text("dataset_record_id", row.record_id);
  members.text("dataset_id", dataset_id);
  members.raw("inputs", row.inputs);
  members.raw("expectations", row.expectations);
  members.raw("tags", row.tags.empty() ? "{}" : row.tags);
  members.raw("source", row.source);
  if (type) {
    members.text("source_id", source_id(type->value, *source));
    members.text("source_type", type->value);
  }
  members.raw("created_time", std::to_string(row.created_ms));
  members.raw("last_update_time", std::to_string(row.updated_ms));
  members.text("created_by", row.created_by);
  members.text("last_updated_by", row.updated_by);
  members.raw("outputs", row.outputs);
}

}  // namespace mlforge::gateway::mlflow
