#include "projections/runs.hpp"

#include <algorithm>

namespace mlforge::projections {
namespace {

constexpr std::size_t kTextsTogether = 1000;  // params and tags in the row of their run

KeptRun parse_run(std::string_view text) { return {parse_row<StoredRun>(text), {}}; }

// What params and tags are called in the keys of their own rows.
constexpr std::string_view kParam = "param", kTag = "tag";

std::string text_key(const EventView& e, std::string_view kind, std::string_view key) {
  return view_key(RunsProjection::kName, e.tenant, kind, entity(e.stream), key);
}

void store_apart(ViewWriter& view, const EventView& e, std::string_view kind, const Texts& texts) {
  for (const auto& [key, value] : texts)
    store_row(view, text_key(e, kind, key), TextRow{key, value}, e.position);
}

template <class Change>
void update_experiment(ViewWriter& view, const EventView& e, const std::string& id,
                       Change&& change) {
  update_row<ExperimentRow>(view, view_key(RunsProjection::kName, e.tenant, "experiment", id),
                            e.position, [&](ExperimentRow& row) {
                              row.updated_time = format_time(e.time);
                              change(row);
                            });
}

}  // namespace

const std::string& RunsProjection::key_of(const EventView& e) {
  return run_key_.of(e.tenant, entity(e.stream));
}

const KeptRun* RunsProjection::find_run(ViewWriter& view, const EventView& e) {
  return view.parsed<KeptRun>(key_of(e), parse_run);
}

template <class Change>
void RunsProjection::update_run(ViewWriter& view, const EventView& e, RunText::Piece piece,
                                Change&& change) {
  view.update<KeptRun>(key_of(e), e.position, parse_run, change,
                       [piece](std::string& out, std::string_view former, KeptRun& run) {
                         run.text.rewrite(out, former, run, piece);
                       });
}

void RunsProjection::set_text(ViewWriter& view, const EventView& e, RunText::Piece piece,
                              const std::string& key, const std::string& value) {
  bool is_new = false;
  view.update<KeptRun>(
      key_of(e), e.position, parse_run,
      [&](KeptRun& run) {
        auto& texts = piece == RunText::params ? run.params : run.tags;
        is_new = texts.insert_or_assign(key, value).second;
      },
      [&](std::string& out, std::string_view former, KeptRun& run) {
        run.text.set_text(out, former, run, piece, key, is_new);
      });
}

// Gives each param and tag of the event's run a row of its own.
void RunsProjection::move_apart(ViewWriter& view, const EventView& e) {
  Texts params, tags;
  update_run(view, e, RunText::params, [&](StoredRun& row) { row.params.swap(params); });
  update_run(view, e, RunText::tags, [&](StoredRun& row) { row.tags.swap(tags); });
  update_run(view, e, RunText::rest, [&](StoredRun& row) { row.apart = true; });
  store_apart(view, e, kParam, params);
  store_apart(view, e, kTag, tags);
}

void RunsProjection::set_texts(ViewWriter& view, const EventView& e, RunText::Piece piece,
                               const Texts& texts) {
  const auto* run = find_run(view, e);
  if (!run) return;
  if (!run->apart && run->params.size() + run->tags.size() + texts.size() <= kTextsTogether) {
    if (texts.size() == 1)
      return set_text(view, e, piece, texts.begin()->first, texts.begin()->second);
    return update_run(view, e, piece, [&](StoredRun& row) {
      auto& own = piece == RunText::params ? row.params : row.tags;
      for (const auto& [key, value] : texts) own[key] = value;
    });
  }
  if (!run->apart) move_apart(view, e);
  store_apart(view, e, piece == RunText::params ? kParam : kTag, texts);
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const ExperimentCreated& event) {
  const ExperimentRow row{.experiment_id = event.experiment_id,
                          .name = event.name,
                          .created_time = format_time(e.time),
                          .actor = std::string(e.actor),
                          .updated_time = format_time(e.time),
                          .artifact_location = event.artifact_location,
                          .tags = event.tags};
  store_row(view, view_key(kName, e.tenant, "experiment", row.experiment_id), row, e.position);
  view.put(view_key(kName, e.tenant, "experiment_name", row.name), row.experiment_id, e.position);
  view.add_plain(view_key(kName, e.tenant, "experiments", descending(e.position)),
                 row.experiment_id);
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunStarted& event) {
  KeptRun run{{{.run_id = event.run_id,
                .experiment_id = event.experiment_id,
                .name = event.name,
                .status = "running",
                .start_time = time_text(event.start_time),
                .pipeline_run_id = event.pipeline_run_id,
                .step = event.step,
                .actor = std::string(e.actor),
                .user_id = event.user_id,
                .artifact_uri = event.artifact_uri},
               {}},
              {}};
  const std::string order = descending(e.position);
  view.add_plain(view_key(kName, e.tenant, "runs", order), event.run_id);
  view.add_plain(view_key(kName, e.tenant, "runs_of", event.experiment_id, order), event.run_id);
  const auto& key = run_key_.of(e.tenant, event.run_id);
  view.write_row(key, e.position, [&](std::string& out) { run.text.write(out, run); });
  view.keep_parsed(key, std::move(run));
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunParamsLogged& event) {
  set_texts(view, e, RunText::params, event.params);
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunTagsSet& event) {
  set_texts(view, e, RunText::tags, event.tags);
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunArtifactLogged& event) {
  update_run(view, e, RunText::artifacts, [&](StoredRun& row) {
    const auto at = std::lower_bound(
        row.artifacts.begin(), row.artifacts.end(), event.path,
        [](const FileRef& file, const std::string& path) { return file.path < path; });
    const FileRef file{event.path, event.digest, event.bytes};
    if (at != row.artifacts.end() && at->path == event.path)
      *at = file;
    else
      row.artifacts.insert(at, file);
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunInputLogged& event) {
  update_run(view, e, RunText::rest, [&](StoredRun& row) { row.inputs.push_back(event); });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunEnded& event) {
  update_run(view, e, RunText::head, [&](StoredRun& row) {
    row.status = event.status;
    row.end_time = time_text(event.end_time);
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const ExperimentRenamed& event) {
  const auto key = view_key(kName, e.tenant, "experiment", event.experiment_id);
  const auto* row = find_row<ExperimentRow>(view, key);
  if (!row) return;
  view.erase(view_key(kName, e.tenant, "experiment_name", std::string(row->name)), e.position);
  update_experiment(view, e, event.experiment_id,
                    [&](ExperimentRow& changed) { changed.name = event.name; });
  view.put(view_key(kName, e.tenant, "experiment_name", event.name), event.experiment_id,
           e.position);
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const ExperimentDeleted& event) {
  update_experiment(view, e, event.experiment_id,
                    [](ExperimentRow& row) { row.lifecycle_stage = "deleted"; });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const ExperimentRestored& event) {
  update_experiment(view, e, event.experiment_id, [](ExperimentRow& row) {
    row.lifecycle_stage = "active";
    ++row.restored;
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const ExperimentTagsSet& event) {
  update_experiment(view, e, event.experiment_id, [&](ExperimentRow& row) {
    for (const auto& [key, value] : event.tags) row.tags[key] = value;
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const ExperimentTagRemoved& event) {
  update_experiment(view, e, event.experiment_id,
                    [&](ExperimentRow& row) { row.tags.erase(event.key); });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const ExperimentImported& event) {
  update_experiment(view, e, event.experiment_id, [&](ExperimentRow& row) {
    if (event.creation_time) row.created_time = format_time(event.creation_time);
    if (event.last_update_time) row.updated_time = format_time(event.last_update_time);
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunRenamed& event) {
  update_run(view, e, RunText::head, [&](StoredRun& row) { row.name = event.name; });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunStatusChanged& event) {
  update_run(view, e, RunText::head, [&](StoredRun& row) { row.status = event.status; });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunTagRemoved& event) {
  const auto* run = find_run(view, e);
  if (run && run->apart) return view.erase(text_key(e, kTag, event.key), e.position);
  update_run(view, e, RunText::tags, [&](StoredRun& row) { row.tags.erase(event.key); });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunDeleted& event) {
  update_run(view, e, RunText::rest, [&](StoredRun& row) {
    row.deleted = event.generation;
    row.alone.reset();
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunRestored& event) {
  update_run(view, e, RunText::rest, [&](StoredRun& row) {
    row.deleted.reset();
    if (event.alone) row.alone = event.generation;
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunArtifactRemoved& event) {
  update_run(view, e, RunText::artifacts, [&](StoredRun& row) {
    std::erase_if(row.artifacts, [&](const FileRef& file) { return file.path == event.path; });
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunDatasetsLogged& event) {
  for (std::size_t i = 0; i < event.datasets.size(); ++i)
    store_row(view,
              view_key(kName, e.tenant, "dataset", entity(e.stream),
                       ascending(e.position) + ascending(i)),
              event.datasets[i], e.position);
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunModelsLinked& event) {
  update_run(view, e, RunText::rest, [&](StoredRun& row) {
    row.models.insert(row.models.end(), event.models.begin(), event.models.end());
  });
}

}  // namespace mlforge::projections
