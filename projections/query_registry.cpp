#include "projections/query_paging.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kDatasets = DatasetsProjection::kName;
constexpr auto kModels = ModelsProjection::kName;

// The stored parts of a dataset put together.
Expected<DatasetRow> assemble(ViewReader& view, std::string_view tenant, DatasetHead head,
                              Position as_of) {
  DatasetRow out{.name = std::move(head.name),
                 .source = std::move(head.source),
                 .created_time = std::move(head.created_time),
                 .actor = std::move(head.actor)};
  Status bad;
  view.scan(view_prefix(kDatasets, tenant, "version", out.name), {}, as_of, kNoLimit,
            [&](std::string_view, std::string_view text) {
              auto row = read_row<DatasetVersionRow>(text);
              if (!row) bad = row.error();
              if (row) out.versions.push_back(std::move(*row));
              return !bad;
            });
  view.scan(view_prefix(kDatasets, tenant, "staged", out.name, ascending(head.latest_version)), {},
            as_of, kNoLimit, [&](std::string_view, std::string_view text) {
              auto row = read_row<StagedRow>(text);
              if (!row) bad = row.error();
              if (row && row->removed) out.removed.push_back(row->file.path);
              if (row && !row->removed) out.staged.push_back(std::move(row->file));
              return !bad;
            });
  if (view.status()) return *view.status();
  if (bad) return *bad;
  return out;
}

}  // namespace

Expected<DatasetRow> get_dataset(ViewReader& view, std::string_view tenant, std::string_view name,
                                 Position as_of) {
  auto head = get_row<DatasetHead>(view, view_key(kDatasets, tenant, "dataset", name), as_of,
                                   "dataset", name);
  if (!head) return head.error();
  return assemble(view, tenant, std::move(*head), as_of);
}

Expected<Page<DatasetRow>> list_datasets(ViewReader& view, std::string_view tenant,
                                         const PageRequest& page) {
  return page_of_rows<DatasetRow>(view, view_prefix(kDatasets, tenant, "dataset"), page,
                                  [&](std::string_view text) -> Expected<DatasetRow> {
                                    auto head = read_row<DatasetHead>(text);
                                    if (!head) return head.error();
                                    return assemble(view, tenant, std::move(*head), page.as_of);
                                  });
}

Expected<DatasetVersionRow> get_dataset_version(ViewReader& view, std::string_view tenant,
                                                std::string_view name, std::uint64_t version,
                                                Position as_of) {
  const std::string what = "version of dataset '" + std::string(name) + "'";
  if (version != 0)
    return get_row<DatasetVersionRow>(
        view, view_key(kDatasets, tenant, "version", name, ascending(version)), as_of, what,
        std::to_string(version));
  auto dataset = get_dataset(view, tenant, name, as_of);
  if (!dataset) return dataset.error();
  for (auto at = dataset->versions.rbegin(); at != dataset->versions.rend(); ++at)
    if (at->valid.value_or(false)) return std::move(*at);
  return not_found(what + " that is", "valid");
}

Expected<ModelRow> get_model(ViewReader& view, std::string_view tenant, std::string_view name,
                             Position as_of) {
  return get_row<ModelRow>(view, view_key(kModels, tenant, "model", name), as_of,
                           "registered model", name);
}

Expected<Page<ModelRow>> list_models(ViewReader& view, std::string_view tenant,
                                     const PageRequest& page) {
  return page_of_rows<ModelRow>(view, view_prefix(kModels, tenant, "model"), page,
                                read_row<ModelRow>);
}

Expected<ModelVersionRow> get_model_version(ViewReader& view, std::string_view tenant,
                                            std::string_view model, std::uint64_t version,
                                            Position as_of) {
  return get_row<ModelVersionRow>(
      view, view_key(kModels, tenant, "version", model, ascending(version)), as_of,
      "version of model '" + std::string(model) + "'", std::to_string(version));
}

Expected<ModelVersionRow> get_model_version_by_alias(ViewReader& view, std::string_view tenant,
                                                     std::string_view model, std::string_view alias,
                                                     Position as_of) {
  const auto row = get_model(view, tenant, model, as_of);
  if (!row) return row.error();
  const auto at = row->aliases.find(std::string(alias));
  if (at == row->aliases.end())
    return not_found("alias of model '" + std::string(model) + "'", alias);
  return get_model_version(view, tenant, model, at->second, as_of);
}

Expected<Page<ModelVersionRow>> list_model_versions(ViewReader& view, std::string_view tenant,
                                                    std::string_view model,
                                                    const PageRequest& page) {
  if (auto known = get_model(view, tenant, model, page.as_of); !known) return known.error();
  return page_of_rows<ModelVersionRow>(view, view_prefix(kModels, tenant, "version", model), page,
                                       read_row<ModelVersionRow>, true);
}

}  // namespace mlforge::projections
