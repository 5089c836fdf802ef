// /api/v1/import/mlflow: what `mlforge import mlflow` writes, many things at once, and reads back.
#include <mutex>

#include "events/checks.hpp"
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/import_messages.hpp"
#include "projections/artifacts.hpp"

namespace mlforge::gateway::mlflow {
namespace {

using actors::Outcome;
using actors::RegistryBody;
using actors::TrackingBody;

constexpr std::size_t kMostImportItems = 1000;

// How many events a stream holds; 0 where that cannot be read: a run that is sent with it is
// refused.
template <class Log>
std::uint64_t events_in(const Log& log, const std::string& stream) {
  const auto version = log.stream_version(kTenant, stream);
  if constexpr (std::is_convertible_v<decltype(version), std::uint64_t>)
    return version;
  else
    return version ? *version : 0;
}

// The answer to one batch; the last of its commands that ends sends it.
class ImportAnswer {
 public:
  ImportAnswer(App& app, Reply reply, std::size_t items)
      : app_(app), reply_(std::move(reply)), left_(items) {
    out_.results.resize(items);
  }

  void settle(std::size_t at, const std::string& run_stream, Expected<Outcome> result) {
    std::unique_lock lock(mutex_);
    auto& mine = out_.results[at];
    if (result) {
      mine.events = result->events.size();
      if (const auto* made = result->find<ExperimentCreated>())
        mine.experiment_id = made->experiment_id;
      if (!run_stream.empty()) mine.version = events_in(*app_.log, run_stream);
      out_.position = std::max(out_.position, result->position);
    } else {
      mine.error = result.error().message;
      mine.code = error_row(result.error().code).name;
    }
    if (--left_ > 0) return;
    lock.unlock();
    reply_.send(http::Response::json(to_json(out_)));
  }

 private:
  App& app_;
  Reply reply_;
  std::mutex mutex_;
  std::size_t left_;
  ImportResults out_;
};

template <class Body, class Actor, class Command>
void tell_manager(const Actor& manager, actors::CommandMeta meta, Command command,
                  actors::Completion done) {
  hand_in<Body>(manager, std::move(meta), std::move(command), std::move(done));
}

Status check_items(const ImportBatch& batch) {
  if (batch.items.empty() || batch.items.size() > kMostImportItems)
    return invalid("items", "must be 1 to 1000 items");
  for (const auto& item : batch.items)
    if (item.experiment.has_value() + item.logged_model.has_value() + item.run.has_value() +
            item.model.has_value() !=
        1)
      return invalid("items", "must each be an experiment, a logged_model, a run or a model");
  return {};
}

void write_import(App& app, const Request& request, Reply reply) {
  auto body = read_body<ImportBatch>(request, reply);
  if (!body) return;
  if (auto bad = check_items(*body)) return reply.send(*bad);
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  if (!meta->command_id.empty())
    return reply.send(invalid("Idempotency-Key", "is not needed: the same import changes nothing"));
  const auto batch = std::make_shared<ImportAnswer>(app, std::move(reply), body->items.size());
  for (std::size_t i = 0; i < body->items.size(); ++i) {
    auto& item = body->items[i];
    auto mine = *meta;
    std::string stream;
    if (item.run) stream = "run/" + item.run->run_id;
    if (item.run && item.version) mine.conditions.push_back({stream, *item.version});
    auto done = [batch, i, stream](Expected<Outcome> result) {
      batch->settle(i, stream, std::move(result));
    };
    if (item.experiment)
      tell_manager<TrackingBody>(app.managers.tracking, std::move(mine),
                                 *std::move(item.experiment), done);
    else if (item.logged_model)
      tell_manager<TrackingBody>(app.managers.tracking, std::move(mine),
                                 *std::move(item.logged_model), done);
    else if (item.run)
      tell_manager<TrackingBody>(app.managers.tracking, std::move(mine), *std::move(item.run),
                                 done);
    else
      tell_manager<RegistryBody>(app.managers.registry, std::move(mine), *std::move(item.model),
                                 done);
  }
}

TimeUs import_time(const std::string& text) {
  return text.empty() ? 0 : parse_time(text).value_or(0);
}

Status read_experiments(const QueryContext& q, ImportState& out) {
  projections::PageRequest page{1000, "", q.as_of};
  do {
    auto rows = projections::list_experiments(q.reader, kTenant, page);
    if (!rows) return rows.error();
    for (auto& row : rows->items)
      out.experiments.push_back({.experiment_id = row.experiment_id,
                                 .name = row.name,
                                 .artifact_location = row.artifact_location,
                                 .deleted = row.lifecycle_stage == "deleted",
                                 .creation_time = import_time(row.created_time),
                                 .last_update_time = import_time(row.updated_time),
                                 .tags = std::move(row.tags)});
    page.page_token = rows->next_page_token;
  } while (!page.page_token.empty());
  return {};
}

ImportSeries slice_of(const projections::MetricSeries& series, std::size_t from,
                      std::size_t limit) {
  from = std::min(from, series.values.size());
  const auto to = from + std::min(limit, series.values.size() - from);
  const auto cut = [&](const auto& all) {
    using All = std::remove_cvref_t<decltype(all)>;
    return All(all.begin() + static_cast<std::ptrdiff_t>(from),
               all.begin() + static_cast<std::ptrdiff_t>(to));
  };
  return {.key = series.key,
          .model_id = {},
          .dataset_name = {},
          .dataset_digest = {},
          .timestamps = cut(series.timestamps),
          .steps = cut(series.steps),
          .values = cut(series.values)};
}

// `room`: points that the whole answer may still hold.
Status read_points(const QueryContext& q, StoredRun& out, std::size_t& room) {
  const auto keys = projections::latest_metrics(q.reader, kTenant, out.run.run_id, q.as_of);
  if (!keys) return keys.error();
  for (const auto& metric : *keys) {
    const auto series =
        projections::get_metric_series(q.reader, kTenant, out.run.run_id, metric.key, q.as_of);
    if (!series) return series.error();
    const auto points = series->values.size();
    if (points > room) {
      out.left_out.push_back({metric.key, points});
      continue;
    }
    room -= points;
    out.run.metrics.push_back(slice_of(*series, 0, SIZE_MAX));
  }
  return {};
}

Status read_run(const QueryContext& q, const std::string& id, std::uint64_t version,
                std::size_t& room, ImportState& out) {
  auto row = projections::get_run(q.reader, kTenant, id, q.as_of);
  if (!row) return row.error().code == ErrorCode::not_found ? Status() : row.error();
  const auto experiment = find_experiment(q, row->experiment_id);
  if (!experiment) return experiment.error();
  auto& stored = out.runs.emplace_back();
  stored.version = version;
  auto& run = stored.run;
  run.run_id = row->run_id;
  run.experiment_id = row->experiment_id;
  run.name = row->name;
  run.user_id = row->user_id;
  run.status = row->status;
  run.start_time = import_time(row->start_time);
  run.end_time = import_time(row->end_time);
  run.artifact_uri = row->artifact_uri;
  run.deleted = projections::is_deleted(*row, *experiment);
  run.params = std::move(row->params);
  run.tags = std::move(row->tags);
  run.models = std::move(row->models);
  q.reader.scan(
      projections::view_prefix(projections::RunsProjection::kName, kTenant, "dataset", id), {},
      q.as_of, SIZE_MAX, [&](std::string_view, std::string_view text) {
        if (auto use = from_json<DatasetUse>(text, Unknown::skip))
          run.datasets.push_back(*std::move(use));
        return true;
      });
  return read_points(q, stored, room);
}

void read_logged_model(const QueryContext& q, const std::string& id, ImportState& out) {
  auto row = projections::find_logged_model(q.reader, kTenant, id, q.as_of);
  if (!row) return;
  out.logged_models.push_back({.logged_model_id = row->model_id,
                               .experiment_id = row->experiment_id,
                               .name = row->name,
                               .source_run_id = row->source_run_id,
                               .model_type = row->model_type,
                               .artifact_uri = row->artifact_uri,
                               .status = row->status,
                               .deleted = row->deleted,
                               .creation_time = import_time(row->created_time),
                               .last_update_time = import_time(row->updated_time),
                               .params = std::move(row->params),
                               .tags = std::move(row->tags)});
}

void read_measured(const QueryContext& q, const std::string& id, ImportState& out) {
  const auto goes_on = [&](const projections::LoggedModelMetric& m) {
    if (out.measured.empty()) return false;
    const auto& [run, series] = out.measured.back();
    return std::tie(series.model_id, run, series.key, series.dataset_name, series.dataset_digest) ==
           std::tie(id, m.run_id, m.key, m.dataset_name, m.dataset_digest);
  };
  for (const auto& m : projections::logged_model_metrics(q.reader, kTenant, id, q.as_of)) {
    if (!goes_on(m))
      out.measured.push_back({m.run_id, {m.key, id, m.dataset_name, m.dataset_digest, {}, {}, {}}});
    auto& series = out.measured.back().series;
    series.timestamps.push_back(m.timestamp);
    series.steps.push_back(m.step);
    series.values.push_back(m.value);
  }
}

Status read_registered_model(const QueryContext& q, const std::string& name, ImportState& out) {
  auto row = projections::get_model(q.reader, kTenant, name, q.as_of);
  if (!row) return row.error().code == ErrorCode::not_found ? Status() : row.error();
  ImportModel model{.model = row->name,
                    .description = row->description,
                    .creation_time = import_time(row->created_time),
                    .last_update_time = import_time(row->updated_time),
                    .tags = std::move(row->tags),
                    .versions = {},
                    .aliases = {row->aliases.begin(), row->aliases.end()}};
  auto versions = versions_of(q, name);
  for (auto v = versions.rbegin(); v != versions.rend(); ++v)
    model.versions.push_back({.version = v->version,
                              .source = v->source,
                              .run_id = v->run_id,
                              .run_link = v->run_link,
                              .description = v->description,
                              .model_id = v->model_id,
                              .stage = v->stage,
                              .deleted = false,
                              .creation_time = import_time(v->created_time),
                              .last_update_time = import_time(v->updated_time),
                              .tags = std::move(v->tags)});
  out.latest_versions[name] = row->latest_version;
  out.models.push_back(std::move(model));
  return {};
}

void read_files(const QueryContext& q, const std::string& folder, ImportState& out) {
  for (auto& row : projections::list_artifacts(q.reader, kTenant, folder, q.as_of))
    if (row.is_folder())
      read_files(q, row.path, out);
    else
      out.files.push_back({row.path, row.digest, row.bytes});
}

Status read_slices(const QueryContext& q, const std::vector<SeriesSlice>& slices,
                   ImportState& out) {
  std::uint64_t asked = 0;
  for (const auto& slice : slices) {
    if (slice.limit > kMostSlicePoints || (asked += slice.limit) > kMostSlicePoints)
      return invalid("series", "must ask for at most 500000 points in all");
    const auto series =
        projections::get_metric_series(q.reader, kTenant, slice.run_id, slice.key, q.as_of);
    if (!series) return series.error();
    out.series.push_back(slice_of(*series, slice.from, slice.limit));
  }
  return {};
}

Expected<std::string> read_state(const QueryContext& q, const ImportRead& wanted,
                                 const std::vector<std::uint64_t>& versions) {
  ImportState out;
  if (wanted.experiments)
    if (auto bad = read_experiments(q, out)) return *bad;
  std::size_t room = kMostInlinePoints;
  for (std::size_t i = 0; i < wanted.runs.size(); ++i)
    if (auto bad = read_run(q, wanted.runs[i], versions[i], room, out)) return *bad;
  for (const auto& id : wanted.logged_models) read_logged_model(q, id, out);
  for (const auto& id : wanted.measured) read_measured(q, id, out);
  for (const auto& name : wanted.models)
    if (auto bad = read_registered_model(q, name, out)) return *bad;
  if (auto bad = read_slices(q, wanted.series, out)) return *bad;
  for (const auto& folder : wanted.folders) read_files(q, folder, out);
  return to_json(out);
}

void read_import(App& app, const Request& request, Reply reply) {
  auto body = read_body<ImportRead>(request, reply);
  if (!body) return;
  if (body->runs.size() + body->logged_models.size() + body->measured.size() + body->models.size() +
          body->folders.size() >
      kMostImportItems)
    return reply.send(invalid("runs", "must be at most 1000 things in all"));
  // Before the read models are looked at, so that what is appended meanwhile is noticed later.
  std::vector<std::uint64_t> versions;
  for (const auto& id : body->runs) versions.push_back(events_in(*app.log, "run/" + id));
  run_object_query(app, request, std::move(reply),
                   [wanted = std::make_shared<const ImportRead>(*std::move(body)),
                    versions = std::move(versions)](const QueryContext& q) {
                     return read_state(q, *wanted, versions);
                   });
}

}  // namespace

void add_import_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  router.post("/api/v1/import/mlflow", on(write_import),
              {.summary = "Bring over what another MLflow server holds ('mlforge import mlflow')",
               .tag = "mlflow",
               .max_body = kMostImportBytes,
               .hidden = true});
  router.post("/api/v1/import/mlflow/read", on(read_import),
              {.summary = "Read back what was brought over",
               .tag = "mlflow",
               .max_body = kMostImportBytes,
               .hidden = true});
}

}  // namespace mlforge::gateway::mlflow
