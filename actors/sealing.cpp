#include "actors/sealing.hpp"

#include <cmath>

#include "events/checks.hpp"

namespace mlforge::actors {
namespace {

constexpr std::string_view kRowField = "row";

// The personal part of one prediction, in the order of the batch's names.
struct SealedRow {
  std::string request_id;
  double probability = 0;
  std::vector<double> numeric;
  std::vector<std::string> categorical;
  static constexpr auto fields() {
    return FieldList{
        field("request_id", &SealedRow::request_id), field("probability", &SealedRow::probability),
        field("numeric", &SealedRow::numeric), field("categorical", &SealedRow::categorical)};
  }
};

// Takes row `i` out of the batch.
SealedRow take_row(PredictionsLogged& batch, std::size_t i) {
  const std::size_t n = batch.request_ids.size();
  SealedRow row{std::exchange(batch.request_ids[i], {}),
                std::exchange(batch.probabilities[i], std::nan(""))};
  for (std::size_t f = 0; f < batch.numeric_names.size(); ++f)
    row.numeric.push_back(std::exchange(batch.numeric_values[f * n + i], std::nan("")));
  for (std::size_t f = 0; f < batch.categorical_names.size(); ++f)
    row.categorical.push_back(std::exchange(batch.categorical_values[f * n + i], {}));
  return row;
}

// False where it is not of this batch's form.
bool put_row(PredictionsLogged& batch, std::size_t i, SealedRow row) {
  const std::size_t n = batch.request_ids.size();
  if (row.numeric.size() != batch.numeric_names.size() ||
      row.categorical.size() != batch.categorical_names.size())
    return false;
  batch.request_ids[i] = std::move(row.request_id);
  batch.probabilities[i] = row.probability;
  for (std::size_t f = 0; f < row.numeric.size(); ++f)
    batch.numeric_values[f * n + i] = row.numeric[f];
  for (std::size_t f = 0; f < row.categorical.size(); ++f)
    batch.categorical_values[f * n + i] = std::move(row.categorical[f]);
  return true;
}

// Whether all columns have the lengths that the number of rows asks for.
bool is_regular(const PredictionsLogged& b) {
  const std::size_t n = b.request_ids.size();
  return b.probabilities.size() == n && b.versions.size() == n && b.challenger.size() == n &&
         b.times.size() == n && b.numeric_values.size() == n * b.numeric_names.size() &&
         b.categorical_values.size() == n * b.categorical_names.size();
}

// Keeps of a column of `features` times n values those of the rows in `kept`.
template <class T>
void keep(std::vector<T>& values, const std::vector<std::size_t>& kept, std::size_t n) {
  std::vector<T> out;
  for (std::size_t first = 0; n > 0 && first + n <= values.size(); first += n)
    for (const auto i : kept) out.push_back(std::move(values[first + i]));
  values = std::move(out);
}

void keep_rows(PredictionsLogged& b, const std::vector<std::size_t>& kept) {
  const std::size_t n = b.request_ids.size();
  keep(b.request_ids, kept, n);
  keep(b.probabilities, kept, n);
  keep(b.versions, kept, n);
  keep(b.challenger, kept, n);
  keep(b.times, kept, n);
  keep(b.numeric_values, kept, n);
  keep(b.categorical_values, kept, n);
}

}  // namespace

void Sealing::text(std::string_view field, std::string& value) {
  if (value.empty()) return;
  value = storage::seal(*key, storage::seal_context(tenant, stream, field), value);
  made.insert(value);
}

void Sealing::texts(std::string_view field, Texts& values) {
  for (auto& [name, value] : values) text(std::string(field) + "." + name, value);
}

Error no_subject_keys() {
  return {ErrorCode::unavailable, "the keys of subjects are not open here", ""};
}

Error nothing_personal() {
  return invalid("X-Mlforge-Subject",
                 "must not be sent here: this request has no field that is encrypted");
}

Status key_fingerprint(storage::SubjectKeys* keys, CommandMeta& meta) {
  const auto bare = storage::bare_command_id(meta.command_id).size();
  if (meta.subject.empty() || bare == meta.command_id.size()) return {};
  if (!keys) return no_subject_keys();
  const auto key = keys->key_of(meta.tenant, meta.subject);
  if (!key) return key.error();
  const auto print = storage::keyed_fingerprint(**key, meta.command_id);
  meta.command_id = meta.command_id.substr(0, bare) + "#" + print;
  return {};
}

Status seal_rows(storage::SubjectKeys* keys, RecordPredictions& command, Sealing& sealing) {
  auto& batch = command.batch;
  const auto& subjects = command.subjects;
  if (subjects.empty()) return {};
  if (!keys) return no_subject_keys();
  if (subjects.size() != batch.request_ids.size() || !is_regular(batch))
    return Error{ErrorCode::internal, "a batch of predictions has columns of unequal length", ""};
  std::vector<std::string> named;
  for (const auto& each : subjects)
    if (!each.empty()) named.push_back(each);
  const auto found = keys->keys_of(sealing.tenant, named);
  if (!found) return found.error();
  const auto context = storage::seal_context(sealing.tenant, sealing.stream, kRowField);
  batch.sealed.assign(subjects.size(), {});
  for (std::size_t i = 0, k = 0; i < subjects.size(); ++i) {
    if (subjects[i].empty()) continue;
    batch.sealed[i] = storage::seal(*(*found)[k++], context, to_json(take_row(batch, i)));
    sealing.made.insert(batch.sealed[i]);
  }
  return {};
}

void open_rows(const storage::SubjectKeys* keys, std::string_view tenant, std::string_view stream,
               PredictionsLogged& batch) {
  if (batch.sealed.empty() || !is_regular(batch)) return;
  const auto context = storage::seal_context(tenant, stream, kRowField);
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < batch.request_ids.size(); ++i) {
    if (i >= batch.sealed.size() || batch.sealed[i].empty()) {
      kept.push_back(i);
      continue;
    }
    const auto text =
        keys ? keys->open_text(tenant, batch.sealed[i], &context) : std::optional<std::string>();
    auto row = text ? from_json<SealedRow>(*text, Unknown::skip)
                    : Expected<SealedRow>(Error{ErrorCode::not_found, "", ""});
    if (row && put_row(batch, i, *std::move(row))) kept.push_back(i);
  }
  keep_rows(batch, kept);
  batch.sealed.clear();
}

Status check_foreign(std::string_view text, const std::set<std::string>& made) {
  for (auto found = find_sealed(text); !found.empty();
       found =
           find_sealed(text, static_cast<std::size_t>(found.data() - text.data()) + found.size()))
    if (!made.contains(std::string(found)))
      return Error{ErrorCode::invalid_argument,
                   "a text that begins with '" + std::string(kSealedPrefix) +
                       "' must not be sent: send the text itself",
                   ""};
  return {};
}

}  // namespace mlforge::actors
