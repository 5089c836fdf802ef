#include "projections/query_paging.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kPipelines = PipelinesProjection::kName;
constexpr auto kEnvironments = EnvironmentsProjection::kName;

}  // namespace

Expected<PipelineRow> get_pipeline(ViewReader& view, std::string_view tenant, std::string_view name,
                                   Position as_of) {
  return get_row<PipelineRow>(view, view_key(kPipelines, tenant, "pipeline", name), as_of,
                              "pipeline", name);
}

Expected<Page<PipelineRow>> list_pipelines(ViewReader& view, std::string_view tenant,
                                           const PageRequest& page) {
  return page_of_rows<PipelineRow>(view, view_prefix(kPipelines, tenant, "pipeline"), page,
                                   read_row<PipelineRow>);
}

Expected<PipelineRunRow> get_pipeline_run(ViewReader& view, std::string_view tenant,
                                          std::string_view pipeline_run_id, Position as_of) {
  return get_row<PipelineRunRow>(view, view_key(kPipelines, tenant, "run", pipeline_run_id), as_of,
                                 "pipeline run", pipeline_run_id);
}

Expected<Page<PipelineRunRow>> list_pipeline_runs(ViewReader& view, std::string_view tenant,
                                                  std::string_view pipeline,
                                                  const PageRequest& page) {
  const std::string prefix = pipeline.empty()
                                 ? view_prefix(kPipelines, tenant, "runs")
                                 : view_prefix(kPipelines, tenant, "runs_of", pipeline);
  return page_newest_first<PipelineRunRow>(view, prefix, page, [&](std::string_view id) {
    return get_pipeline_run(view, tenant, id, page.as_of);
  });
}

Expected<std::vector<PipelineRunRow>> running_pipeline_runs(ViewReader& view,
                                                            std::string_view tenant,
                                                            Position as_of) {
  std::vector<PipelineRunRow> rows;
  Status bad;
  view.scan(view_prefix(kPipelines, tenant, "running"), {}, as_of, kNoLimit,
            [&](std::string_view, std::string_view id) {
              auto row = get_pipeline_run(view, tenant, id, as_of);
              if (!row) bad = row.error();
              if (row) rows.push_back(std::move(*row));
              return !bad;
            });
  if (view.status()) return *view.status();
  if (bad) return *bad;
  return rows;
}

Expected<CachedStepRow> find_cached_step(ViewReader& view, std::string_view tenant,
                                         std::string_view cache_key, Position as_of) {
  return get_row<CachedStepRow>(view, view_key(kPipelines, tenant, "cached_step", cache_key), as_of,
                                "finished step with cache key", cache_key);
}

Expected<EnvironmentRow> get_environment(ViewReader& view, std::string_view tenant,
                                         std::string_view name, Position as_of) {
  return get_row<EnvironmentRow>(view, view_key(kEnvironments, tenant, "environment", name), as_of,
                                 "environment", name);
}

Expected<EnvironmentRow> find_environment(ViewReader& view, std::string_view tenant,
                                          std::string_view digest, Position as_of) {
  return get_row<EnvironmentRow>(view, view_key(kEnvironments, tenant, "capture", digest), as_of,
                                 "environment with digest", digest);
}

Expected<Page<EnvironmentRow>> list_environments(ViewReader& view, std::string_view tenant,
                                                 const PageRequest& page) {
  return page_of_rows<EnvironmentRow>(view, view_prefix(kEnvironments, tenant, "environment"), page,
                                      read_row<EnvironmentRow>);
}

}  // namespace mlforge::projections
