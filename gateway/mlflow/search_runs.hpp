// runs/search.
#pragma once
#include "gateway/mlflow/search_page.hpp"

namespace mlforge::gateway::mlflow {

struct RunSearch : SearchPage {
  std::vector<std::string> experiments;  // each once
  View view;
};

void search_runs(App& app, Fields& fields, const Request& request, Reply reply);

// The answer from the rows of the views, whatever `q` is as of.
Expected<std::string> search_rows(const QueryContext& q, const RunSearch& search);

}  // namespace mlforge::gateway::mlflow
