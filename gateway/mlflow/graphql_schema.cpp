#include "gateway/mlflow/graphql_schema.hpp"

namespace mlforge::gateway::mlflow::graphql {
namespace schema {
namespace {

constexpr FieldType kMlflowModelVersionDeploymentJobState[] = {
    {"jobId", "String"},
    {"runId", "String"},
    {"jobState", "MlflowDeploymentJobConnectionState"},
    {"runState", "MlflowModelVersionDeploymentJobStateDeploymentJobRunState"},
    {"currentTaskName", "String"},
};
constexpr FieldType kMlflowModelMetric[] = {
    {"key", "String"},      {"value", "Float"},        {"timestamp", "LongString"},
    {"step", "LongString"}, {"datasetName", "String"}, {"datasetDigest", "String"},
    {"modelId", "String"},  {"runId", "String"},
};
constexpr FieldType kMlflowModelParam[] = {
    {"name", "String"},
    {"value", "String"},
};
constexpr FieldType kMlflowModelVersionTag[] = {
    {"key", "String"},
    {"value", "String"},
};
constexpr FieldType kMlflowModelVersion[] = {
    {"name", "String"},
    {"version", "String"},
    {"creationTimestamp", "LongString"},
    {"lastUpdatedTimestamp", "LongString"},
    {"userId", "String"},
    {"currentStage", "String"},
    {"description", "String"},
    {"source", "String"},
    {"runId", "String"},
    {"status", "MlflowModelVersionStatus"},
    {"statusMessage", "String"},
    {"tags", "MlflowModelVersionTag", true},
    {"runLink", "String"},
    {"aliases", "String", true},
    {"modelId", "String"},
    {"modelParams", "MlflowModelParam", true},
    {"modelMetrics", "MlflowModelMetric", true},
    {"deploymentJobState", "MlflowModelVersionDeploymentJobState"},
};
constexpr FieldType kMlflowSearchModelVersionsResponse[] = {
    {"modelVersions", "MlflowModelVersion", true},
    {"nextPageToken", "String"},
    {"apiError", "ApiError"},
};
constexpr FieldType kMlflowDatasetSummary[] = {
    {"experimentId", "String"},
    {"name", "String"},
    {"digest", "String"},
    {"context", "String"},
};
constexpr FieldType kMlflowSearchDatasetsResponse[] = {
    {"datasetSummaries", "MlflowDatasetSummary", true},
    {"apiError", "ApiError"},
};
constexpr FieldType kMlflowMetricWithRunId[] = {
    {"key", "String"},      {"value", "Float"},  {"timestamp", "LongString"},
    {"step", "LongString"}, {"runId", "String"},
};
constexpr FieldType kMlflowGetMetricHistoryBulkIntervalResponse[] = {
    {"metrics", "MlflowMetricWithRunId", true},
    {"apiError", "ApiError"},
};
constexpr FieldType kMlflowFileInfo[] = {
    {"path", "String"},
    {"isDir", "Boolean"},
    {"fileSize", "LongString"},
};
constexpr FieldType kMlflowListArtifactsResponse[] = {
    {"rootUri", "String"},
    {"files", "MlflowFileInfo", true},
    {"nextPageToken", "String"},
    {"apiError", "ApiError"},
};
constexpr FieldType kMlflowModelOutput[] = {
    {"modelId", "String"},
    {"step", "LongString"},
};
constexpr FieldType kMlflowRunOutputs[] = {
    {"modelOutputs", "MlflowModelOutput", true},
};
constexpr FieldType kMlflowModelInput[] = {
    {"modelId", "String"},
};
constexpr FieldType kMlflowDataset[] = {
    {"name", "String"},   {"digest", "String"}, {"sourceType", "String"},
    {"source", "String"}, {"schema", "String"}, {"profile", "String"},
};
constexpr FieldType kMlflowInputTag[] = {
    {"key", "String"},
    {"value", "String"},
};
constexpr FieldType kMlflowDatasetInput[] = {
    {"tags", "MlflowInputTag", true},
    {"dataset", "MlflowDataset"},
};
constexpr FieldType kMlflowRunInputs[] = {
    {"datasetInputs", "MlflowDatasetInput", true},
    {"modelInputs", "MlflowModelInput", true},
};
constexpr FieldType kMlflowRunTag[] = {
    {"key", "String"},
    {"value", "String"},
};
constexpr FieldType kMlflowParam[] = {
    {"key", "String"},
    {"value", "String"},
};
constexpr FieldType kMlflowMetricExtension[] = {
    {"key", "String"},      {"value", "Float"},        {"timestamp", "LongString"},
    {"step", "LongString"}, {"datasetName", "String"}, {"datasetDigest", "String"},
    {"modelId", "String"},  {"runId", "String"},
};
constexpr FieldType kMlflowRunData[] = {
    {"metrics", "MlflowMetricExtension", true},
    {"params", "MlflowParam", true},
    {"tags", "MlflowRunTag", true},
};
constexpr FieldType kMlflowRunInfo[] = {
    {"runId", "String"},          {"runUuid", "String"},     {"runName", "String"},
    {"experimentId", "String"},   {"userId", "String"},      {"status", "MlflowRunStatus"},
    {"startTime", "LongString"},  {"endTime", "LongString"}, {"artifactUri", "String"},
    {"lifecycleStage", "String"},
};
constexpr FieldType kMlflowRunExtension[] = {
    {"info", "MlflowRunInfo"},          {"data", "MlflowRunData"},
    {"inputs", "MlflowRunInputs"},      {"outputs", "MlflowRunOutputs"},
    {"experiment", "MlflowExperiment"}, {"modelVersions", "MlflowModelVersion", true},
};
constexpr FieldType kMlflowSearchRunsResponse[] = {
    {"runs", "MlflowRunExtension", true},
    {"nextPageToken", "String"},
    {"apiError", "ApiError"},
};
constexpr FieldType kMlflowGetRunResponse[] = {
    {"run", "MlflowRunExtension"},
    {"apiError", "ApiError"},
};
constexpr FieldType kMlflowExperimentTag[] = {
    {"key", "String"},
    {"value", "String"},
};
constexpr FieldType kMlflowExperiment[] = {
    {"experimentId", "String"},
    {"name", "String"},
    {"artifactLocation", "String"},
    {"lifecycleStage", "String"},
    {"lastUpdateTime", "LongString"},
    {"creationTime", "LongString"},
    {"tags", "MlflowExperimentTag", true},
    {"effectiveTraceArchivalRetention", "String"},
    {"workspace", "String"},
};
constexpr FieldType kMlflowGetExperimentResponse[] = {
    {"experiment", "MlflowExperiment"},
    {"apiError", "ApiError"},
};
constexpr FieldType kMlflowSearchModelVersionsInput[] = {
    {"filter", "String"},
    {"maxResults", "LongString"},
    {"orderBy", "String", true},
    {"pageToken", "String"},
};
constexpr FieldType kMlflowSearchDatasetsInput[] = {
    {"experimentIds", "String", true},
};
constexpr FieldType kMlflowGetMetricHistoryBulkIntervalInput[] = {
    {"runIds", "String", true}, {"metricKey", "String"}, {"startStep", "Int"},
    {"endStep", "Int"},         {"maxResults", "Int"},
};
constexpr FieldType kMlflowListArtifactsInput[] = {
    {"runId", "String"},
    {"runUuid", "String"},
    {"path", "String"},
    {"pageToken", "String"},
};
constexpr FieldType kMlflowSearchRunsInput[] = {
    {"experimentIds", "String", true}, {"filter", "String"},
    {"runViewType", "MlflowViewType"}, {"maxResults", "Int"},
    {"orderBy", "String", true},       {"pageToken", "String"},
};
constexpr FieldType kMlflowGetRunInput[] = {
    {"runId", "String"},
    {"runUuid", "String"},
};
constexpr FieldType kMlflowGetExperimentInput[] = {
    {"experimentId", "String"},
};
constexpr FieldType kErrorDetail[] = {
    {"field", "String"},
    {"message", "String"},
};
constexpr FieldType kApiError[] = {
    {"code", "String"},
    {"message", "String"},
    {"helpUrl", "String"},
    {"traceId", "String"},
    {"errorDetails", "ErrorDetail", true},
};
constexpr FieldType kTest[] = {
    {"output", "String"},
};
constexpr FieldType kTestMutation[] = {
    {"output", "String"},
};

constexpr ObjectType kObjects[] = {
    {"MlflowModelVersionDeploymentJobState", kMlflowModelVersionDeploymentJobState},
    {"MlflowModelMetric", kMlflowModelMetric},
    {"MlflowModelParam", kMlflowModelParam},
    {"MlflowModelVersionTag", kMlflowModelVersionTag},
    {"MlflowModelVersion", kMlflowModelVersion},
    {"MlflowSearchModelVersionsResponse", kMlflowSearchModelVersionsResponse},
    {"MlflowDatasetSummary", kMlflowDatasetSummary},
    {"MlflowSearchDatasetsResponse", kMlflowSearchDatasetsResponse},
    {"MlflowMetricWithRunId", kMlflowMetricWithRunId},
    {"MlflowGetMetricHistoryBulkIntervalResponse", kMlflowGetMetricHistoryBulkIntervalResponse},
    {"MlflowFileInfo", kMlflowFileInfo},
    {"MlflowListArtifactsResponse", kMlflowListArtifactsResponse},
    {"MlflowModelOutput", kMlflowModelOutput},
    {"MlflowRunOutputs", kMlflowRunOutputs},
    {"MlflowModelInput", kMlflowModelInput},
    {"MlflowDataset", kMlflowDataset},
    {"MlflowInputTag", kMlflowInputTag},
    {"MlflowDatasetInput", kMlflowDatasetInput},
    {"MlflowRunInputs", kMlflowRunInputs},
    {"MlflowRunTag", kMlflowRunTag},
    {"MlflowParam", kMlflowParam},
    {"MlflowMetricExtension", kMlflowMetricExtension},
    {"MlflowRunData", kMlflowRunData},
    {"MlflowRunInfo", kMlflowRunInfo},
    {"MlflowRunExtension", kMlflowRunExtension},
    {"MlflowSearchRunsResponse", kMlflowSearchRunsResponse},
    {"MlflowGetRunResponse", kMlflowGetRunResponse},
    {"MlflowExperimentTag", kMlflowExperimentTag},
    {"MlflowExperiment", kMlflowExperiment},
    {"MlflowGetExperimentResponse", kMlflowGetExperimentResponse},
    {"MlflowSearchModelVersionsInput", kMlflowSearchModelVersionsInput, true},
    {"MlflowSearchDatasetsInput", kMlflowSearchDatasetsInput, true},
    {"MlflowGetMetricHistoryBulkIntervalInput", kMlflowGetMetricHistoryBulkIntervalInput, true},
    {"MlflowListArtifactsInput", kMlflowListArtifactsInput, true},
    {"MlflowSearchRunsInput", kMlflowSearchRunsInput, true},
    {"MlflowGetRunInput", kMlflowGetRunInput, true},
    {"MlflowGetExperimentInput", kMlflowGetExperimentInput, true},
    {"ErrorDetail", kErrorDetail},
    {"ApiError", kApiError},
    {"Test", kTest},
    {"TestMutation", kTestMutation},
};

struct EnumType {
  std::string_view name, values;  // between blanks
};
constexpr EnumType kEnums[] = {
    {"MlflowDeploymentJobConnectionState",
     "DEPLOYMENT_JOB_CONNECTION_STATE_UNSPECIFIED NOT_SET_UP CONNECTED NOT_FOUND "
     "REQUIRED_PARAMETERS_CHANGED"},
    {"MlflowModelVersionDeploymentJobStateDeploymentJobRunState",
     "DEPLOYMENT_JOB_RUN_STATE_UNSPECIFIED NO_VALID_DEPLOYMENT_JOB_FOUND RUNNING SUCCEEDED FAILED "
     "PENDING APPROVAL"},
    {"MlflowModelVersionStatus", "PENDING_REGISTRATION FAILED_REGISTRATION READY"},
    {"MlflowRunStatus", "RUNNING SCHEDULED FINISHED FAILED KILLED"},
    {"MlflowViewType", "ACTIVE_ONLY DELETED_ONLY ALL"},
};

constexpr RootField kRoots[] = {
    {"mlflowGetExperiment", "MlflowGetExperimentResponse", "MlflowGetExperimentInput",
     "experiments/get", true, true},
    {"mlflowGetMetricHistoryBulkInterval", "MlflowGetMetricHistoryBulkIntervalResponse",
     "MlflowGetMetricHistoryBulkIntervalInput", "metrics/get-history-bulk-interval", true, true},
    {"mlflowGetRun", "MlflowGetRunResponse", "MlflowGetRunInput", "runs/get", true, true},
    {"mlflowListArtifacts", "MlflowListArtifactsResponse", "MlflowListArtifactsInput",
     "artifacts/list", true, true},
    {"mlflowSearchModelVersions", "MlflowSearchModelVersionsResponse",
     "MlflowSearchModelVersionsInput", "model-versions/search", true, true},
    {"mlflowSearchRuns", "MlflowSearchRunsResponse", "MlflowSearchRunsInput", "runs/search", false,
     true, true},
    {"mlflowSearchDatasets", "MlflowSearchDatasetsResponse", "MlflowSearchDatasetsInput",
     "experiments/search-datasets", false, false, true},
    {"test", "Test", "", "", false, true},
    {"testMutation", "TestMutation", "", "", false, false, true},
};

}  // namespace
}  // namespace schema

const ObjectType* find_object(std::string_view name) {
  for (const auto& each : schema::kObjects)
    if (each.name == name) return &each;
  return nullptr;
}

const FieldType* find_field(const ObjectType& type, std::string_view name) {
  for (const auto& each : type.fields)
    if (each.name == name) return &each;
  return nullptr;
}

const RootField* find_root(std::string_view name, bool mutation) {
  for (const auto& each : schema::kRoots)
    if (each.name == name && (mutation ? each.mutation : each.query)) return &each;
  return nullptr;
}

std::string_view enum_default(std::string_view name) {
  for (const auto& each : schema::kEnums)
    if (each.name == name) return each.values.substr(0, each.values.find(' '));
  return {};
}

bool is_enum_value(std::string_view type, std::string_view value) {
  for (const auto& each : schema::kEnums)
    if (each.name == type)
      return (" " + std::string(each.values) + " ").find(" " + std::string(value) + " ") !=
             std::string::npos;
  return false;
}

std::string snake_case(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper) out += '_';
    out += upper ? static_cast<char>(c + 32) : c;
  }
  return out;
}

}  // namespace mlforge::gateway::mlflow::graphql
