// What searches of runs look at: columns in memory, one cell a run.
//
// The rows of the views are the truth; a column is a copy of one field of all runs of an
// experiment, made when a search first names it. The engine tells which runs its batches touch, and
// a search reads those again before it looks. So the columns are exactly the rows of one snapshot,
// whatever an event means to a row, and nothing is kept for what nobody searches.
#pragma once
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "projections/batch_observer.hpp"
#include "projections/runs.hpp"
#include "projections/string_pool.hpp"
#include "projections/view_reader.hpp"

namespace mlforge::projections {

// Absent, a number, a text, several texts.
using Cell = std::variant<std::monostate, double, std::string, std::vector<std::string>>;

enum class CellKind { number, text, texts };

struct ColumnKey {
  int entity = 0;  // the caller's
  std::string name;
  CellKind kind = CellKind::text;
  bool of_metrics = false;  // read from the run's series; else from its row
  auto operator<=>(const ColumnKey&) const = default;
};

struct NumberColumn {
  std::vector<double> values;  // absent() where there is none
  static double absent();
  static bool is_absent(double value);  // a NaN that was logged is not
};
struct TextColumn {
  StringPool pool;
  std::vector<std::uint32_t> codes;  // number in the pool + 1; 0: absent
};
struct TextsColumn {
  StringPool pool;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> numbers;  // by run, if it has any
};
using Column = std::variant<NumberColumn, TextColumn, TextsColumn>;

// The runs of one experiment; a run is its place in these vectors.
struct RunTable {
  struct Kept {
    Column column;
    std::uint64_t used = 0;  // when: a count of prepare() calls
  };
  std::string experiment_id;
  std::vector<std::uint32_t> runs;  // RunIndex::run_id()
  std::vector<TimeUs> start_times;
  std::vector<std::uint64_t> deleted, alone;  // of the RunRow; kNever
  std::map<ColumnKey, Kept> columns;
  static constexpr std::uint64_t kNever = UINT64_MAX;

  std::uint32_t size() const { return static_cast<std::uint32_t>(runs.size()); }
  // As is_deleted() of the run's row.
  bool is_deleted(std::uint32_t run, const ExperimentRow& experiment) const {
    return (experiment.lifecycle_stage == "deleted" && alone[run] != experiment.restored) ||
           deleted[run] == experiment.restored;
  }
  // Of a column that prepare() was asked for.
  const Column& column(const ColumnKey& key) const { return columns.at(key).column; }
};

// How a column's cell is read. Of a column of metrics only the row's run_id is there.
using ReadCell = std::function<Cell(ViewReader&, const RunRow&, const ColumnKey&)>;

struct RunIndexOptions {
  std::size_t column_bytes = 256u << 20;   // columns that were not used last go beyond that
  std::size_t rendered_bytes = 32u << 20;  // of keep()
  std::size_t touched_runs = 100'000;      // remembered between two searches; beyond: start anew
};

// Of one tenant. The observer's part is the engine's; listen() is for any thread; everything else
// is for whoever holds mutex().
class RunIndex final : public BatchObserver {
 public:
  RunIndex(std::string tenant, ReadCell read, RunIndexOptions options = {});

  // To be called before the position is taken that the snapshot for prepare() must have reached:
  // from here on it is known what changes.
  void listen();

  std::mutex& mutex() { return mutex_; }

  // Whether prepare() has nothing to load for them, and little to read again.
  bool has(std::span<const std::string> experiments, std::span<const ColumnKey> columns);

  // Brings everything to the state of this snapshot, which must not be older than the last one, and
  // loads what is missing. Takes a look-up per run and a little more where something is. On an
  // error (of the view) nothing is kept. unavailable: the snapshot is from before listen().
  Status prepare(ViewReader& view, std::span<const std::string> experiments,
                 std::span<const ColumnKey> columns);

  // After prepare(); null where the experiment has no runs.
  const RunTable* table(const std::string& experiment_id) const;
  std::string_view run_id(const RunTable& table, std::uint32_t run) const {
    return ids_.at(table.runs[run]);
  }

  // What was made of a run's rows and kept; null where they have changed since, or it had to go.
  const std::string* kept(const RunTable& table, std::uint32_t run) const;
  void keep(const RunTable& table, std::uint32_t run, std::string text);

  // Memory of everything but the table of touched runs, in bytes.
  std::size_t footprint() const;

  void begin() override;
  void seen(const EventView& envelope) override;
  void publish(Position last) override;
  void wiped() override;

 private:
  struct Touched {
    Position last = 0;
    bool row = false;  // else its metrics only
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using TouchedRuns = std::unordered_map<std::string, Touched, TextHash, std::equal_to<>>;
  struct Place {
    std::uint32_t table = 0, run = 0;
  };

  Expected<TouchedRuns> take_touched(Position reached);
  void refresh(ViewReader& view, std::string_view run_id, const Touched& touched);
  void load(ViewReader& view, const std::string& experiment_id, std::span<const ColumnKey> columns);
  void load_columns(ViewReader& view, RunTable& table, std::span<const ColumnKey> columns);
  std::uint32_t add_run(RunTable& table, const RunHead& head);
  static void set_removal(RunTable& table, std::uint32_t run, const RunHead& head);
  void fill(ViewReader& view, RunTable& table, std::uint32_t run, const RunRow& row, bool metrics,
            bool others);
  void set(Column& column, std::uint32_t run, const Cell& cell);
  void evict();
  void clear();

  const std::string tenant_;
  const ReadCell read_;
  const RunIndexOptions options_;

  std::mutex mutex_;
  StringPool ids_;
  std::vector<Place> places_;  // of the runs in ids_
  std::vector<std::unique_ptr<RunTable>> tables_;
  std::unordered_map<std::string, std::uint32_t> by_experiment_;
  std::unordered_map<std::uint32_t, std::string> rendered_;
  std::size_t rendered_size_ = 0;
  std::uint64_t tick_ = 0;

  std::mutex touched_mutex_;  // guards the following
  TouchedRuns touched_;
  bool listening_ = false;
  bool stale_ = false;  // something was not noted: what is loaded is worth nothing
  Position floor_ = 0;  // nothing up to here was noted

  // The engine's thread only: of the batch.
  TouchedRuns batch_;
  bool batch_noted_ = false;
};

}  // namespace mlforge::projections
