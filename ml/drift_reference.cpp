// The references of drift.hpp as bytes.
#include <cmath>

#include "ml/drift.hpp"
#include "ml/text.hpp"

namespace mlforge::ml {
namespace {

Error corrupt(const char* what) {
  return Error{ErrorCode::corrupt,
               std::string("The bytes are not a whole ") + what + " reference of version 1.",
               "reference"};
}

bool consistent(const NumericReference& r) {
  if (r.bin_counts.size() != r.edges.size() + 1) return false;
  std::uint64_t binned = 0;
  for (const auto count : r.bin_counts) binned += count;
  for (std::size_t i = 0; i < r.sample.values.size(); ++i)
    if (!std::isfinite(r.sample.values[i]) || r.sample.counts[i] == 0 ||
        (i > 0 && r.sample.values[i] <= r.sample.values[i - 1]))
      return false;
  return binned == r.sample.total();
}

}  // namespace

std::string serialize(const NumericReference& reference) {
  TextWriter out;
  out.word("mlforge-numeric-reference").integer(1).end_line();
  out.word("missing").integer(reference.sample.missing).end_line();
  out.word("edges").integer(reference.edges.size());
  for (const double edge : reference.edges) out.number(edge);
  out.end_line();
  out.word("bins").integer(reference.bin_counts.size());
  for (const auto count : reference.bin_counts) out.integer(count);
  out.end_line();
  out.word("values").integer(reference.sample.values.size()).end_line();
  for (std::size_t i = 0; i < reference.sample.values.size(); ++i)
    out.number(reference.sample.values[i]).integer(reference.sample.counts[i]).end_line();
  return out.take();
}

std::string serialize(const CategoricalReference& reference) {
  TextWriter out;
  out.word("mlforge-categorical-reference").integer(1).end_line();
  out.word("missing").integer(reference.sample.missing).end_line();
  out.word("categories").integer(reference.sample.counts.size()).end_line();
  for (const auto& [category, count] : reference.sample.counts)
    out.text(category).integer(count).end_line();
  return out.take();
}

Expected<NumericReference> parse_numeric_reference(std::string_view bytes) {
  TextReader in(bytes);
  NumericReference out;
  in.expect("mlforge-numeric-reference");
  in.expect("1");
  in.end_line();
  in.expect("missing");
  out.sample.missing = in.integer();
  in.end_line();
  in.expect("edges");
  for (auto n = in.count(); n > 0 && !in.failed(); --n) out.edges.push_back(in.number());
  in.end_line();
  in.expect("bins");
  for (auto n = in.count(); n > 0 && !in.failed(); --n) out.bin_counts.push_back(in.integer());
  in.end_line();
  in.expect("values");
  const auto values = in.count();
  in.end_line();
  for (auto n = values; n > 0 && !in.failed(); --n) {
    out.sample.values.push_back(in.number());
    out.sample.counts.push_back(in.integer());
    in.end_line();
  }
  if (!in.finished() || !consistent(out)) return corrupt("numeric");
  return out;
}

Expected<CategoricalReference> parse_categorical_reference(std::string_view bytes) {
  TextReader in(bytes);
  CategoricalReference out;
  in.expect("mlforge-categorical-reference");
  in.expect("1");
  in.end_line();
  in.expect("missing");
  out.sample.missing = in.integer();
  in.end_line();
  in.expect("categories");
  const auto categories = in.count();
  in.end_line();
  for (auto n = categories; n > 0 && !in.failed(); --n) {
    auto category = in.text();
    out.sample.counts[std::move(category)] = in.integer();
    in.end_line();
  }
  if (!in.finished() || out.sample.counts.size() != categories) return corrupt("categorical");
  return out;
}

}  // namespace mlforge::ml
