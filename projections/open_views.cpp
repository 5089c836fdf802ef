#include "projections/open_views.hpp"

#include <algorithm>
#include <system_error>

#include "projections/view_damage.hpp"

namespace mlforge::projections {
namespace {

namespace fs = std::filesystem;

Expected<OpenViews> try_open(const storage::Log& log, const fs::path& folder,
                             const ViewStoreOptions& options,
                             const std::function<void(std::uint64_t)>& building,
                             const std::function<bool()>& stop) {
  OpenViews views;
  auto store = ViewStore::open(folder, options);
  if (!store) return store.error();
  views.store = *std::move(store);
  auto engine = ProjectionEngine::open(log, *views.store);
  if (!engine) return engine.error();
  views.engine = *std::move(engine);
  if (building) building(log.head() - std::min(log.head(), views.engine->position()));
  const auto reached = views.engine->catch_up(UINT64_MAX, stop);
  if (!reached && is_view_damage(reached.error())) return reached.error();
  if (!reached) views.behind = reached.error();
  return views;
}

}  // namespace

fs::path fresh_views_folder(const fs::path& folder) {
  fs::path fresh = folder;
  fresh += ".new";
  return fresh;
}

Expected<OpenViews> open_views(const storage::Log& log, const fs::path& folder,
                               const ViewStoreOptions& options,
                               const std::function<void(std::uint64_t)>& building,
                               const std::function<bool()>& stop) {
  fs::path old = folder;
  old += ".old";
  std::error_code ignored;  // they only take room
  fs::remove_all(old, ignored);
  fs::remove_all(fresh_views_folder(folder), ignored);
  auto views = try_open(log, folder, options, building, stop);
  if (views || !is_view_damage(views.error())) return views;
  if (auto bad = discard_views(folder)) return *bad;
  return try_open(log, folder, options, building, stop);
}

}  // namespace mlforge::projections
