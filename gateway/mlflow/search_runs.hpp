// runs/search.
#pragma once
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/search.hpp"

namespace mlforge::gateway::mlflow {

struct RunSearch {
  std::vector<std::string> experiments;  // each once
  Filter filter;
  std::vector<Order> orders;
  View view;
  std::size_t most = 0, offset = 0;
};

void search_runs(App& app, Fields& fields, const Request& request, Reply reply);

// The answer from the rows of the views, whatever `q` is as of.
Expected<std::string> search_rows(const QueryContext& q, const RunSearch& search);

}  // namespace mlforge::gateway::mlflow
