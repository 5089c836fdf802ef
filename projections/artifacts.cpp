#include "projections/artifacts.hpp"

#include <algorithm>

namespace mlforge::projections {
namespace {

constexpr auto kArtifacts = ArtifactsProjection::kName;

std::string_view folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

std::string_view file_name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::string entry_key(std::string_view tenant, std::string_view path) {
  return view_key(kArtifacts, tenant, "entry", folder_of(path), file_name_of(path));
}

// One child more, or less, in the folders above; a folder comes with its first and goes with its
// last.
void count_child(ViewWriter& view, const EventView& e, std::string_view path, bool more) {
  for (auto folder = folder_of(path); !folder.empty(); folder = folder_of(folder)) {
    const auto key = entry_key(e.tenant, folder);
    const auto* found = find_row<ArtifactRow>(view, key);
    if (found && !found->is_folder()) return;
    const bool was_there = found != nullptr;
    const std::uint64_t children = (was_there ? found->children : 0) + (more ? 1 : -1);
    if (children == 0)
      view.erase(key, e.position);
    else if (was_there)
      update_row<ArtifactRow>(view, key, e.position,
                              [&](ArtifactRow& row) { row.children = children; });
    else
      store_new_row(view, key, ArtifactRow{.path = std::string(folder), .children = children},
                    e.position);
    if (was_there && children != 0) return;
  }
}

void store(ViewWriter& view, const EventView& e, ArtifactRow row) {
  const auto key = entry_key(e.tenant, row.path);
  const bool is_new = !view.get(key);
  store_row(view, key, row, e.position);
  if (is_new) count_child(view, e, row.path, true);
}

void remove(ViewWriter& view, const EventView& e, const std::string& path) {
  const auto key = entry_key(e.tenant, path);
  if (!view.get(key)) return;
  view.erase(key, e.position);
  count_child(view, e, path, false);
}

}  // namespace

std::string ArtifactsProjection::path_of(ViewWriter& view, const EventView& e,
                                         const std::string& path) {
  const auto root = view.get(root_key_.of(e.tenant, entity(e.stream)));
  return root ? std::string(*root) + "/" + path : path;
}

std::optional<std::string> proxied_path(std::string_view uri) {
  constexpr std::string_view kScheme = "mlflow-artifacts:";
  constexpr std::string_view kRoute = "/api/2.0/mlflow-artifacts/artifacts/";
  if (uri.starts_with("http://") || uri.starts_with("https://")) {
    const auto at = uri.find(kRoute);
    if (at == uri.npos) return std::nullopt;
    uri.remove_prefix(at + kRoute.size());
  } else {
    if (!uri.starts_with(kScheme)) return std::nullopt;
    uri.remove_prefix(kScheme.size());
    if (uri.starts_with("//")) uri = uri.substr(std::min(uri.find('/', 2), uri.size()));
  }
  while (uri.starts_with('/')) uri.remove_prefix(1);
  while (uri.ends_with('/')) uri.remove_suffix(1);
  return std::string(uri);
}

void ArtifactsProjection::on(ViewWriter& view, const EventView& e, const RunStarted& event) {
  const auto own = proxied_path(event.artifact_uri);
  view.put(root_key_.of(e.tenant, entity(e.stream)),
           own.value_or(event.experiment_id + "/" + std::string(entity(e.stream)) + "/artifacts"),
           e.position);
}

void ArtifactsProjection::on(ViewWriter& view, const EventView& e, const RunArtifactLogged& event) {
  store(view, e,
        {.path = path_of(view, e, event.path), .digest = event.digest, .bytes = event.bytes});
}

void ArtifactsProjection::on(ViewWriter& view, const EventView& e,
                             const RunArtifactRemoved& event) {
  remove(view, e, path_of(view, e, event.path));
}

void ArtifactsProjection::on(ViewWriter& view, const EventView& e, const ArtifactStored& event) {
  store(view, e, {.path = event.path, .digest = event.digest, .bytes = event.bytes});
}

void ArtifactsProjection::on(ViewWriter& view, const EventView& e, const ArtifactRemoved& event) {
  remove(view, e, event.path);
}

std::optional<ArtifactRow> find_artifact(ViewReader& view, std::string_view tenant,
                                         std::string_view path, Position as_of) {
  if (path.empty()) return ArtifactRow{};
  const auto text = view.get(entry_key(tenant, path), as_of);
  if (!text) return std::nullopt;
  auto row = from_json<ArtifactRow>(*text, Unknown::skip);
  return row ? std::optional(*std::move(row)) : std::nullopt;
}

std::vector<ArtifactRow> list_artifacts(ViewReader& view, std::string_view tenant,
                                        std::string_view folder, Position as_of) {
  std::vector<ArtifactRow> rows;
  view.scan(view_prefix(kArtifacts, tenant, "entry", folder), {}, as_of, SIZE_MAX,
            [&](std::string_view, std::string_view text) {
              if (auto row = from_json<ArtifactRow>(text, Unknown::skip))
                rows.push_back(*std::move(row));
              return true;
            });
  std::sort(rows.begin(), rows.end(),
            [](const ArtifactRow& a, const ArtifactRow& b) { return a.path < b.path; });
  return rows;
}

}  // namespace mlforge::projections
