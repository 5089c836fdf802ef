// Where the events of a random history come from: random_history.cpp makes most of them.
#pragma once
#include <cmath>

#include "fixture.hpp"

namespace mlforge::projections::test {

class Source {
 public:
  explicit Source(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }
  bool coin() { return below(2) == 0; }
  std::string pick(std::initializer_list<const char*> all) {
    return all.begin()[below(all.size())];
  }
  std::string name(const char* kind) { return kind + std::to_string(below(3)); }
  double value() {
    if (below(12) == 0) return std::nan("");
    return static_cast<double>(below(20)) / 4 - 2;
  }
  TimeUs time() { return kStart + static_cast<TimeUs>(below(1000000)); }
  Texts texts() { return {{name("key"), pick({"a", "b", "c"})}}; }

  template <class E>
  Happened make();
  std::size_t serial = 0;

 private:
  std::mt19937_64 random_;
};

template <>
Happened Source::make<EvaluationDatasetCreated>();
template <>
Happened Source::make<EvaluationDatasetTagsSet>();
template <>
Happened Source::make<EvaluationDatasetTagRemoved>();
template <>
Happened Source::make<EvaluationRecordsMerged>();
template <>
Happened Source::make<EvaluationRecordsRemoved>();
template <>
Happened Source::make<EvaluationDatasetLinked>();
template <>
Happened Source::make<EvaluationDatasetUnlinked>();
template <>
Happened Source::make<EvaluationDatasetDeleted>();
template <>
Happened Source::make<ScorerRegistered>();
template <>
Happened Source::make<ScorerDeleted>();
template <>
Happened Source::make<ScorerOnlineConfigured>();
template <>
Happened Source::make<IssueCreated>();
template <>
Happened Source::make<IssueUpdated>();
template <>
Happened Source::make<TraceUsageCounted>();
template <>
Happened Source::make<LabelSchemaCreated>();
template <>
Happened Source::make<LabelSchemaUpdated>();
template <>
Happened Source::make<LabelSchemaDeleted>();

}  // namespace mlforge::projections::test
