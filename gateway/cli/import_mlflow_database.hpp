// The databases that MLflow keeps its history in, as far as reading it needs them.
#pragma once
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"

namespace mlforge::gateway::cli {

// A row of an answer; valid during the visit. A NULL is an empty text and the number 0.
class DatabaseRow {
 public:
  virtual ~DatabaseRow() = default;
  virtual bool null(int column) const = 0;
  virtual std::string text(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;
  virtual double real(int column) const = 0;
};

using RowVisit = std::function<void(const DatabaseRow&)>;

// Read only. Not thread-safe.
class Database {
 public:
  virtual ~Database() = default;
  // Parameters are $1, $2, ... in the order in which they stand in the text, each once.
  virtual Status query(const std::string& sql, const std::vector<std::string>& parameters,
                       const RowVisit& visit) = 0;
  // Names of a table's columns; none where there is no such table.
  virtual Expected<std::set<std::string>> columns(const std::string& table) = 0;
};

Expected<std::unique_ptr<Database>> open_sqlite(const std::string& file);
// A libpq URL.
Expected<std::unique_ptr<Database>> open_postgres(const std::string& url);

}  // namespace mlforge::gateway::cli
