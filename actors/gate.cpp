#include "actors/gate.hpp"

#include <simdjson.h>
#include <cmath>

#include "actors/scorer.hpp"

namespace mlforge::actors {
namespace {

constexpr double kRounding = 1e-12;  // 0.8 - 0.1 is a little more than 0.7

std::string number(double value) {
  std::string out;
  append_json_double(out, value);
  return out;
}

Check integrity(const std::vector<FileRef>& artifacts, const storage::BlobStore& blobs,
                std::string_view tenant) {
  Check check{"integrity", "artifacts", true, std::to_string(artifacts.size()) + " files match",
              "every file matches its SHA-256"};
  if (artifacts.empty()) {
    check.passed = false;
    check.observed = "the version has no files";
  }
  for (const auto& file : artifacts) {
    const auto digest = storage::parse_digest(file.digest);
    const Status bad = digest ? blobs.verify(tenant, *digest)
                              : Status(Error{ErrorCode::corrupt, "the digest is no digest", ""});
    if (!bad) continue;
    check.passed = false;
    check.observed = file.path + ": " + bad->message;
    break;
  }
  return check;
}

// A row as the training data had them: means where they are known, the first categories.
std::string sample_row(const Bundle& bundle) {
  std::string out = "{";
  for (const auto& each : bundle.preprocessor.inputs()) {
    if (out.size() > 1) out += ',';
    append_json_string(out, each.name);
    out += ':';
    if (each.kind == ml::ColumnKind::numeric)
      append_json_double(out, each.mean);
    else if (each.categories.empty())
      out += "null";
    else
      append_json_string(out, each.categories.front());
  }
  return out + "}";
}

Check shape(const std::vector<FileRef>& artifacts, const storage::BlobStore& blobs,
            std::string_view tenant) {
  Check check{"shape", "model", false, "",
              "the model takes the preprocessor's features and gives a probability"};
  const auto bundle = load_bundle(artifacts, blobs, tenant);
  const auto model = bundle ? ServedModel::load(0, *bundle)
                            : Expected<std::shared_ptr<const ServedModel>>(bundle.error());
  if (!model) {
    check.observed = model.error().message;
    return check;
  }
  simdjson::dom::parser parser;
  simdjson::dom::object features;
  PredictionRow row;
  const auto text = sample_row(**bundle);
  Status bad;
  if (parser.parse(text).get(features))
    bad = Error{ErrorCode::internal, "the sample row is no JSON", ""};
  else
    bad = (*model)->score(features, row);
  const double p = row.prediction.probability;
  check.passed = !bad && std::isfinite(p) && p >= 0 && p <= 1;
  check.observed = bad ? bad->message
                       : std::to_string((*bundle)->preprocessor.features()) +
                             " features, a sample row scores " + number(p);
  return check;
}

Check minimum(const Figures& metrics, const GatePolicy& policy) {
  Check check{"metric_minimum", policy.metric, false, "none", "at least " + number(policy.minimum)};
  if (const auto at = metrics.find(policy.metric); at != metrics.end()) {
    check.observed = number(at->second);
    check.passed = at->second >= policy.minimum;
  }
  return check;
}

Check no_regression(const Figures& metrics, const std::optional<Figures>& champion,
                    const GatePolicy& policy) {
  Check check{"no_regression", policy.metric, true, "no champion", "not worse than the champion"};
  if (!champion) return check;
  const auto mine = metrics.find(policy.metric);
  const auto theirs = champion->find(policy.metric);
  if (theirs == champion->end() || std::isnan(theirs->second)) {
    check.observed = "the champion has no " + policy.metric;
    return check;
  }
  check.expected = "at least " + number(theirs->second - policy.max_regression);
  check.observed = mine == metrics.end() ? "none" : number(mine->second);
  check.passed =
      mine != metrics.end() && mine->second >= theirs->second - policy.max_regression - kRounding;
  return check;
}

}  // namespace

std::vector<Check> evaluate_figures(const Figures& metrics,
                                    const std::optional<Figures>& champion_metrics,
                                    const GatePolicy& policy) {
  return {minimum(metrics, policy), no_regression(metrics, champion_metrics, policy)};
}

std::vector<Check> evaluate_gate(const std::vector<FileRef>& artifacts, const Figures& metrics,
                                 const std::optional<Figures>& champion_metrics,
                                 const GatePolicy& policy, const storage::BlobStore& blobs,
                                 std::string_view tenant) {
  std::vector<Check> checks{integrity(artifacts, blobs, tenant), shape(artifacts, blobs, tenant)};
  for (auto& each : evaluate_figures(metrics, champion_metrics, policy))
    checks.push_back(std::move(each));
  return checks;
}

}  // namespace mlforge::actors
