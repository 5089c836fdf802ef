// runs/search of the newest state, by columns in memory: filters are bit maps, ORDER BY keeps the
// first of a heap.
#pragma once
#include "gateway/mlflow/search_runs.hpp"
#include "projections/run_index.hpp"

namespace mlforge::gateway::mlflow {

// How the index reads a cell of a run.
projections::Cell read_cell(projections::ViewReader& view, const projections::RunRow& row,
                            const projections::ColumnKey& key);

// Answers when the read models have what was written before the call. Takes the server's thread
// where the columns are there, and a worker's where they are still to be read.
void search_newest(App& app, Reply reply, std::shared_ptr<const RunSearch> search);

// The answer as of the snapshot of `q`; the same as search_rows() gives. The caller holds the
// index's mutex, and took it before the snapshot.
Expected<std::string> search_index(projections::RunIndex& index, const QueryContext& q,
                                   const RunSearch& search);

}  // namespace mlforge::gateway::mlflow
