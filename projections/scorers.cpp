#include "projections/scorers.hpp"

#include <algorithm>

namespace mlforge::projections {
namespace {

constexpr auto kScorers = ScorersProjection::kName;

std::string scorer_name_key(const EventView& e, std::string_view name) {
  return view_key(kScorers, e.tenant, "name", entity(e.stream), name);
}
std::string scorer_version_key(const EventView& e, std::string_view name, std::uint64_t version) {
  return view_key(kScorers, e.tenant, "version", entity(e.stream), name, ascending(version));
}
std::string online_key(std::string_view tenant, std::string_view scorer_id) {
  return view_key(kScorers, tenant, "online", scorer_id);
}

template <class Visit>
void each_scorer_row(ViewReader& view, const std::string& prefix, Position as_of, Visit visit) {
  view.scan(prefix, {}, as_of, SIZE_MAX, [&](std::string_view, std::string_view text) {
    if (auto row = from_json<ScorerVersionRow>(text, Unknown::skip)) visit(*std::move(row));
    return true;
  });
}

}  // namespace

void ScorersProjection::on(ViewWriter& view, const EventView& e, const ScorerRegistered& event) {
  const auto key = scorer_name_key(e, event.name);
  const auto* old = find_row<ScorerNameRow>(view, key);
  ScorerNameRow row = old ? *old : ScorerNameRow();
  row.scorer_id = event.scorer_id;
  auto& all = row.versions;
  if (std::find(all.begin(), all.end(), event.version) == all.end()) all.push_back(event.version);
  store_row(view, key, row, e.position);
  store_row(view, scorer_version_key(e, event.name, event.version),
            ScorerVersionRow{.experiment_id = std::string(entity(e.stream)),
                             .name = event.name,
                             .scorer_id = event.scorer_id,
                             .version = event.version,
                             .serialized = event.serialized,
                             .time_ms = event.time_ms},
            e.position);
}

void ScorersProjection::on(ViewWriter& view, const EventView& e, const ScorerDeleted& event) {
  const auto key = scorer_name_key(e, event.name);
  const auto* old = find_row<ScorerNameRow>(view, key);
  if (!old) return;
  ScorerNameRow row = *old;
  for (const auto version : row.versions)
    if (event.version == 0 || version == event.version)
      view.erase(scorer_version_key(e, event.name, version), e.position);
  if (event.version == 0) {
    view.erase(key, e.position);
    view.erase(online_key(e.tenant, row.scorer_id), e.position);
    return;
  }
  std::erase(row.versions, event.version);
  store_row(view, key, row, e.position);
}

void ScorersProjection::on(ViewWriter& view, const EventView& e,
                           const ScorerOnlineConfigured& event) {
  store_row(view, online_key(e.tenant, event.scorer_id),
            OnlineScoringRow{.experiment_id = std::string(entity(e.stream)),
                             .scorer_id = event.scorer_id,
                             .config_id = event.config_id,
                             .sample_rate = event.sample_rate,
                             .filter = event.filter},
            e.position);
}

std::vector<ScorerVersionRow> scorer_versions(ViewReader& view, std::string_view tenant,
                                              std::string_view experiment_id, std::string_view name,
                                              Position as_of) {
  std::vector<ScorerVersionRow> out;
  each_scorer_row(view, view_prefix(kScorers, tenant, "version", experiment_id, name), as_of,
                  [&](ScorerVersionRow row) { out.push_back(std::move(row)); });
  return out;
}

std::vector<ScorerVersionRow> latest_scorers(ViewReader& view, std::string_view tenant,
                                             std::string_view experiment_id, Position as_of) {
  std::vector<ScorerVersionRow> out;
  each_scorer_row(view, view_prefix(kScorers, tenant, "version", experiment_id), as_of,
                  [&](ScorerVersionRow row) {
                    if (!out.empty() && out.back().name == row.name)
                      out.back() = std::move(row);
                    else
                      out.push_back(std::move(row));
                  });
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

std::optional<OnlineScoringRow> find_online_scoring(ViewReader& view, std::string_view tenant,
                                                    std::string_view scorer_id, Position as_of) {
  const auto text = view.get(online_key(tenant, scorer_id), as_of);
  if (!text) return std::nullopt;
  auto row = from_json<OnlineScoringRow>(*text, Unknown::skip);
  return row ? std::optional(*std::move(row)) : std::nullopt;
}

}  // namespace mlforge::projections
