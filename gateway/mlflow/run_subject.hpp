// A run as the search language sees it.
#pragma once
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/search.hpp"

namespace mlforge::gateway::mlflow {

// What runs may be searched by.
const Dialect& run_dialect();

// The fields of one run. Context and row must outlive it.
class RunSubject : public Subject {
 public:
  RunSubject(const QueryContext& q, const RunRow& row, bool deleted)
      : q_(q), row_(row), deleted_(deleted) {}
  Value value(const Key& key) const override;

 private:
  Value attribute(const std::string& name) const;
  Value metric(const std::string& name) const;
  Value datasets(const std::string& name) const;
  const QueryContext& q_;
  const RunRow& row_;
  const bool deleted_;
};

}  // namespace mlforge::gateway::mlflow
