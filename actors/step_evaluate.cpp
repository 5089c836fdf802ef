#include "actors/bundle.hpp"
#include "actors/dataset_table.hpp"
#include "actors/step_data.hpp"
#include "actors/step_kinds.hpp"
#include "actors/step_run.hpp"
#include "events/codec.hpp"
#include "ml/drift.hpp"
#include "ml/metrics.hpp"
#include "ml/split.hpp"
#include "ml/xgb.hpp"

namespace mlforge::actors {
namespace {

struct ConfusionReport {
  double threshold = 0;
  std::uint64_t tn = 0, fp = 0, fn = 0, tp = 0;
  static constexpr auto fields() {
    return FieldList{field("threshold", &ConfusionReport::threshold),
                     field("tn", &ConfusionReport::tn), field("fp", &ConfusionReport::fp),
                     field("fn", &ConfusionReport::fn), field("tp", &ConfusionReport::tp)};
  }
};

struct ImportanceRow {
  std::string feature;
  double weight = 0, gain = 0, cover = 0;
  static constexpr auto fields() {
    return FieldList{field("feature", &ImportanceRow::feature),
                     field("weight", &ImportanceRow::weight), field("gain", &ImportanceRow::gain),
                     field("cover", &ImportanceRow::cover)};
  }
};

Figures figures_of(const ml::BinaryMetrics& m) {
  const auto& at = m.at_threshold;
  return {{"auc", m.roc_auc},
          {"average_precision", m.average_precision},
          {"log_loss", m.log_loss},
          {"brier", m.brier},
          {"accuracy", at.accuracy},
          {"precision", at.precision},
          {"recall", at.recall},
          {"f1", at.f1},
          {"mcc", at.mcc},
          {"tn", static_cast<double>(at.confusion.tn)},
          {"fp", static_cast<double>(at.confusion.fp)},
          {"fn", static_cast<double>(at.confusion.fn)},
          {"tp", static_cast<double>(at.confusion.tp)}};
}

Expected<Manifest> manifest_of(const StepContext& context, const EvaluateConfig& config,
                               const ml::Preprocessor& preprocessor) {
  auto marker = missing_category(context.dataset.files, context.effects.blobs());
  if (!marker) return marker.error();
  Manifest out{.label = context.spec.label,
               .positive = context.spec.positive,
               .threshold = config.threshold,
               .seed = context.spec.seed,
               .dataset = context.dataset.name,
               .dataset_version = context.dataset.version,
               .missing_category = *std::move(marker)};
  for (const auto& input : preprocessor.inputs())
    out.features.push_back({input.name, std::string(ml::to_string(input.kind))});
  return out;
}

// How the training rows are distributed: what drift is measured against.
Expected<ReferenceSet> reference_of(const ml::Table& table, const ml::Preprocessor& preprocessor,
                                    const std::vector<std::uint32_t>& rows) {
  const auto training = ml::select_rows(table, rows);
  if (!training) return training.error();
  ReferenceSet out;
  for (const auto& input : preprocessor.inputs()) {
    const auto& column = training->columns[*training->find(input.name)];
    if (input.kind == ml::ColumnKind::numeric)
      out.features[input.name] = ml::make_reference(ml::count_values(column.numbers));
    else
      out.features[input.name] = ml::make_reference(ml::count_categories(column));
  }
  return out;
}

// Confusion matrix and importances as files of the run.
Status log_reports(const StepContext& context, const EvaluateConfig& config,
                   const std::string& run_id, const ml::Confusion& c, std::string_view model) {
  const ConfusionReport confusion{config.threshold, c.tn, c.fp, c.fn, c.tp};
  const auto file = log_file(context, run_id, "confusion_matrix.json", to_json(confusion));
  if (!file) return file.error();
  const auto importances = ml::importances(model);
  if (!importances) return importances.error();
  std::vector<ImportanceRow> rows;
  for (const auto& each : *importances)
    rows.push_back({each.feature, each.weight, each.gain, each.cover});
  const auto list = log_file(context, run_id, "importances.json", to_json(rows));
  return list ? Status{} : Status(list.error());
}

// Judges one model on the test part and makes the files that serving needs beside it.
class Evaluation {
 public:
  Evaluation(const StepContext& context, const EvaluateConfig& config, const ml::Table& table,
             std::string train_step, StepOutcome& out)
      : context_(context),
        config_(config),
        table_(table),
        input_(context.inputs.at(train_step)),
        prefix_(std::move(train_step) + "/"),
        out_(out) {}

  Status run() {
    const auto letters = letters_of(context_, input_, table_);
    if (!letters) return letters.error();
    const auto preprocessor = preprocessor_of(context_, input_);
    if (!preprocessor) return preprocessor.error();
    const auto model = blob_of(context_, input_, "model");
    if (!model) return model.error();
    const auto run_id = output_of(input_, "run_id");
    if (!run_id) return run_id.error();

    const auto test = part_of(context_, table_, *preprocessor, *letters, 'E');
    if (!test) return test.error();
    const auto scores = ml::predict(*model, test->features);
    if (!scores) return scores.error();
    const std::vector<double> probabilities(scores->begin(), scores->end());
    const auto metrics = ml::binary_metrics(test->labels, probabilities, config_.threshold);
    if (!metrics) return metrics.error();

    if (auto bad = log_figures(context_, *run_id, figures_of(*metrics))) return bad;
    if (auto bad = log_reports(context_, config_, *run_id, metrics->at_threshold.confusion, *model))
      return bad;
    if (auto bad = write_bundle(*run_id, *preprocessor, ml::rows_of(*letters, 'T'), probabilities))
      return bad;
    hand_on(*metrics);
    return {};
  }

 private:
  Status write_bundle(const std::string& run_id, const ml::Preprocessor& preprocessor,
                      const std::vector<std::uint32_t>& training_rows,
                      const std::vector<double>& probabilities) {
    auto reference = reference_of(table_, preprocessor, training_rows);
    if (!reference) return reference.error();
    reference->probabilities = ml::make_reference(ml::count_values(probabilities));
    const auto put = [&](const char* name, std::string_view path, std::string_view bytes) {
      const auto file = log_file(context_, run_id, path, bytes);
      if (file) out_.outputs[prefix_ + name] = file->digest;
      return file ? Status{} : Status(file.error());
    };
    if (auto bad = put("preprocessor", kPreprocessorFile, preprocessor.serialize())) return bad;
    if (auto bad = put("reference", kReferenceFile, encode_reference(*reference))) return bad;
    const auto manifest = manifest_of(context_, config_, preprocessor);
    if (!manifest) return manifest.error();
    return put("manifest", kManifestFile, to_json(*manifest));
  }

  void hand_on(const ml::BinaryMetrics& metrics) {
    for (const auto* name : {"model", "run_id", "pipeline_run_id"})
      out_.outputs[prefix_ + name] = input_.outputs.at(name);
    for (const auto& [name, value] : figures_of(metrics)) out_.figures[prefix_ + name] = value;
    for (const auto* name : {"validation_auc", "train_auc", "trees"})
      if (const auto at = input_.figures.find(name); at != input_.figures.end())
        out_.figures[prefix_ + name] = at->second;
  }

  const StepContext& context_;
  const EvaluateConfig& config_;
  const ml::Table& table_;
  const StepOutcome& input_;
  std::string prefix_;
  StepOutcome& out_;
};

}  // namespace

Expected<StepOutcome> run_evaluate(const StepContext& context, const EvaluateConfig& config) {
  const auto table = context.table.get();
  if (!table) return table.error();
  StepOutcome out;
  for (const auto& train_step : context.step.needs)
    if (auto bad = Evaluation(context, config, **table, train_step, out).run()) return *bad;
  return out;
}

}  // namespace mlforge::actors
