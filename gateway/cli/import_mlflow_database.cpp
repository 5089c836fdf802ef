#include "gateway/cli/import_mlflow_database.hpp"

#include <libpq-fe.h>
#include <sqlite3.h>

#include <cstdlib>

namespace mlforge::gateway::cli {
namespace {

// ---------------------------------------------------------------- SQLite

constexpr int kSqliteBusyMs = 30'000;  // the server that writes there may be running

struct CloseSqlite {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

class SqliteRow : public DatabaseRow {
 public:
  explicit SqliteRow(sqlite3_stmt* s) : s_(s) {}
  bool null(int i) const override { return sqlite3_column_type(s_, i) == SQLITE_NULL; }
  std::string text(int i) const override {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(s_, i));
    if (!bytes) return {};
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(s_, i))};
  }
  std::int64_t integer(int i) const override { return sqlite3_column_int64(s_, i); }
  double real(int i) const override { return sqlite3_column_double(s_, i); }

 private:
  sqlite3_stmt* s_;
};

class Sqlite : public Database {
 public:
  Sqlite(sqlite3* db, std::string file) : db_(db), file_(std::move(file)) {}

  Status query(const std::string& sql, const std::vector<std::string>& parameters,
               const RowVisit& visit) override {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) return bad();
    const std::unique_ptr<sqlite3_stmt, CloseSqlite> statement(raw);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      sqlite3_bind_text(raw, static_cast<int>(i + 1), parameters[i].data(),
                        static_cast<int>(parameters[i].size()), SQLITE_STATIC);
    const SqliteRow row(raw);
    int rc = SQLITE_ROW;
    while ((rc = sqlite3_step(raw)) == SQLITE_ROW) visit(row);
    return rc == SQLITE_DONE ? Status() : bad();
  }

  Expected<std::set<std::string>> columns(const std::string& table) override {
    std::set<std::string> out;
    auto failed = query("SELECT name FROM pragma_table_info($1)", {table},
                        [&](const DatabaseRow& row) { out.insert(row.text(0)); });
    if (failed) return *failed;
    return out;
  }

 private:
  Status bad() const {
    return Error{ErrorCode::internal,
                 "the database " + file_ + " cannot be read: " + sqlite3_errmsg(db_.get()),
                 "source"};
  }
  std::unique_ptr<sqlite3, CloseSqlite> db_;
  std::string file_;
};

// ---------------------------------------------------------------- PostgreSQL

struct ClosePostgres {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using PostgresResult = std::unique_ptr<PGresult, ClosePostgres>;

class PostgresRow : public DatabaseRow {
 public:
  explicit PostgresRow(const PGresult* result, int row) : r_(result), row_(row) {}
  bool null(int i) const override { return PQgetisnull(r_, row_, i) != 0; }
  std::string text(int i) const override {
    return {PQgetvalue(r_, row_, i), static_cast<std::size_t>(PQgetlength(r_, row_, i))};
  }
  std::int64_t integer(int i) const override {
    const char* text = PQgetvalue(r_, row_, i);
    if (text[0] == 't') return 1;  // of a boolean
    return std::strtoll(text, nullptr, 10);
  }
  double real(int i) const override { return std::strtod(PQgetvalue(r_, row_, i), nullptr); }

 private:
  const PGresult* r_;
  int row_;
};

std::string one_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::string line(text);
  for (auto& c : line)
    if (c == '\n') c = ' ';
  return line;
}

class Postgres : public Database {
 public:
  explicit Postgres(PGconn* connection) : c_(connection) {}

  Status query(const std::string& sql, const std::vector<std::string>& parameters,
               const RowVisit& visit) override {
    std::vector<const char*> values;
    for (const auto& each : parameters) values.push_back(each.c_str());
    // Row by row: a run may have more points than memory takes twice.
    if (!PQsendQueryParams(c_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                           values.data(), nullptr, nullptr, 0) ||
        !PQsetSingleRowMode(c_.get()))
      return bad();
    Status failed;
    while (const PostgresResult result{PQgetResult(c_.get())}) {
      const auto status = PQresultStatus(result.get());
      if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK &&
          !failed)
        failed = bad();
      for (int row = 0; row < PQntuples(result.get()); ++row) visit(PostgresRow(result.get(), row));
    }
    return failed;
  }

  Expected<std::set<std::string>> columns(const std::string& table) override {
    std::set<std::string> out;
    auto failed = query(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND "
        "table_schema = ANY (current_schemas(false))",
        {table}, [&](const DatabaseRow& row) { out.insert(row.text(0)); });
    if (failed) return *failed;
    return out;
  }

 private:
  Status bad() const {
    return Error{ErrorCode::internal,
                 "the PostgreSQL database cannot be read: " + one_line(PQerrorMessage(c_.get())),
                 "source"};
  }
  std::unique_ptr<PGconn, ClosePostgres> c_;
};

}  // namespace

Expected<std::unique_ptr<Database>> open_sqlite(const std::string& file) {
  sqlite3* raw = nullptr;
  const int rc = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
  auto db = std::make_unique<Sqlite>(raw, file);
  if (rc == SQLITE_OK) {
    sqlite3_busy_timeout(raw, kSqliteBusyMs);
    const auto failed =
        db->query("SELECT count(*) FROM sqlite_master", {}, [](const DatabaseRow&) {});
    if (!failed) return std::unique_ptr<Database>(std::move(db));
    return *failed;
  }
  return Error{ErrorCode::not_found,
               "the database " + file +
                   " cannot be opened: " + (raw ? sqlite3_errmsg(raw) : "out of memory"),
               "source"};
}

Expected<std::unique_ptr<Database>> open_postgres(const std::string& url) {
  PGconn* raw = PQconnectdb(url.c_str());
  auto db = std::make_unique<Postgres>(raw);
  if (!raw || PQstatus(raw) != CONNECTION_OK)
    return Error{ErrorCode::unavailable,
                 "the PostgreSQL database does not answer: " +
                     (raw ? one_line(PQerrorMessage(raw)) : "out of memory"),
                 "source"};
  PQsetClientEncoding(raw, "UTF8");
  // One moment of the source, however long the import takes; nobody there waits for it.
  for (const char* sql :
       {"SET extra_float_digits = 3", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"})
    if (auto bad = db->query(sql, {}, [](const DatabaseRow&) {})) return *bad;
  return std::unique_ptr<Database>(std::move(db));
}

}  // namespace mlforge::gateway::cli
