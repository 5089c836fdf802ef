#include "projections/run_index.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "events/checks.hpp"
#include "projections/metrics.hpp"
#include "projections/queries.hpp"

namespace mlforge::projections {
namespace {

constexpr std::size_t kQuickly = 1000;  // so many runs are read again in a few milliseconds

// A NaN that no arithmetic gives.
constexpr std::uint64_t kAbsentBits = 0x7ff8'6d6c'666f'7267;

std::size_t footprint_of(const Column& column) {
  if (const auto* numbers = std::get_if<NumberColumn>(&column))
    return numbers->values.capacity() * sizeof(double);
  if (const auto* texts = std::get_if<TextColumn>(&column))
    return texts->codes.capacity() * sizeof(std::uint32_t) + texts->pool.footprint();
  const auto& lists = std::get<TextsColumn>(column);
  return lists.numbers.size() * 80 + lists.pool.footprint();
}

Column make_column(CellKind kind) {
  if (kind == CellKind::number) return NumberColumn{};
  if (kind == CellKind::text) return TextColumn{};
  return TextsColumn{};
}

RunHead head_of(const RunRow& row) { return {row.run_id, row.start_time, row.deleted, row.alone}; }

// In the order of the rows, so that reading them all meets each page once.
std::vector<std::string_view> sorted_runs(ViewReader& view, std::string_view tenant,
                                          std::string_view experiment_id) {
  std::vector<std::string_view> ids;
  view.scan_plain(view_prefix(RunsProjection::kName, tenant, "runs_of", experiment_id), {},
                  SIZE_MAX, [&](std::string_view, std::string_view run_id) {
                    ids.push_back(run_id);
                    return true;
                  });
  std::sort(ids.begin(), ids.end());
  return ids;
}

// Room for one run more, absent.
void extend(Column& column, std::size_t size) {
  if (auto* numbers = std::get_if<NumberColumn>(&column))
    numbers->values.resize(size, NumberColumn::absent());
  if (auto* texts = std::get_if<TextColumn>(&column)) texts->codes.resize(size, 0);
}

}  // namespace

double NumberColumn::absent() { return std::bit_cast<double>(kAbsentBits); }
bool NumberColumn::is_absent(double value) {
  return std::bit_cast<std::uint64_t>(value) == kAbsentBits;
}

RunIndex::RunIndex(std::string tenant, ReadCell read, RunIndexOptions options)
    : tenant_(std::move(tenant)), read_(std::move(read)), options_(options) {}

void RunIndex::listen() {
  const std::lock_guard lock(touched_mutex_);
  listening_ = true;
}

void RunIndex::begin() {
  batch_.clear();
  const std::lock_guard lock(touched_mutex_);
  batch_noted_ = listening_;
}

void RunIndex::seen(const EventView& e) {
  if (!batch_noted_ || !e.stream.starts_with("run/") || e.tenant != tenant_) return;
  const auto run_id = entity(e.stream);
  auto at = batch_.find(run_id);
  if (at == batch_.end()) at = batch_.try_emplace(std::string(run_id)).first;
  if (e.type != RunMetricsLogged::type && e.type != RunModelMetricsLogged::type)
    at->second.row = true;
}

void RunIndex::publish(Position last) {
  const std::lock_guard lock(touched_mutex_);
  if (!batch_noted_) {
    floor_ = last;
    stale_ = true;
    return;
  }
  for (const auto& [run_id, touched] : batch_) {
    auto& entry = touched_[run_id];
    entry.last = last;
    entry.row = entry.row || touched.row;
  }
  if (touched_.size() <= options_.touched_runs) return;
  touched_.clear();
  listening_ = false;
  stale_ = true;
  floor_ = last;
}

void RunIndex::wiped() {
  const std::lock_guard lock(touched_mutex_);
  touched_.clear();
  stale_ = true;
}

// What may differ from the snapshot. What the snapshot may not have yet stays noted.
Expected<RunIndex::TouchedRuns> RunIndex::take_touched(Position reached) {
  const std::lock_guard lock(touched_mutex_);
  if (reached < floor_ || !listening_)
    return Error{ErrorCode::unavailable, "the search came too late for its index: try again", ""};
  if (std::exchange(stale_, false)) clear();
  TouchedRuns all = touched_;
  std::erase_if(touched_, [&](const auto& each) { return each.second.last <= reached; });
  return all;
}

bool RunIndex::has(std::span<const std::string> experiments, std::span<const ColumnKey> columns) {
  {
    const std::lock_guard lock(touched_mutex_);
    if (stale_ || touched_.size() > kQuickly) return false;
  }
  return std::all_of(experiments.begin(), experiments.end(), [&](const auto& id) {
    const auto* found = table(id);
    return found && std::all_of(columns.begin(), columns.end(), [&](const auto& column) {
             return found->columns.contains(column);
           });
  });
}

Status RunIndex::prepare(ViewReader& view, std::span<const std::string> experiments,
                         std::span<const ColumnKey> columns) {
  ++tick_;
  const Position reached =
      std::min(view.position(RunsProjection::kName), view.position(MetricsProjection::kName));
  auto touched = take_touched(reached);
  if (!touched) return touched.error();
  if (!tables_.empty())
    for (const auto& [run_id, what] : *touched) refresh(view, run_id, what);
  for (const auto& id : experiments) load(view, id, columns);
  if (view.status()) {
    clear();
    return *view.status();
  }
  evict();
  return {};
}

void RunIndex::refresh(ViewReader& view, std::string_view run_id, const Touched& touched) {
  const auto known = ids_.find(run_id);
  if (!known && !touched.row) return;  // of an experiment that is not loaded
  RunRow row{.run_id = std::string(run_id)};
  if (touched.row) {
    auto stored = get_run(view, tenant_, run_id);
    if (!stored) return;
    row = *std::move(stored);
  }
  std::uint32_t run = 0;
  RunTable* table = nullptr;
  if (known) {
    const auto place = places_[*known];
    table = tables_[place.table].get();
    run = place.run;
    if (const auto at = rendered_.find(*known); at != rendered_.end()) {
      rendered_size_ -= at->second.size();
      rendered_.erase(at);
    }
  } else {
    const auto at = by_experiment_.find(row.experiment_id);
    if (at == by_experiment_.end()) return;
    table = tables_[at->second].get();
    run = add_run(*table, head_of(row));
  }
  if (touched.row) set_removal(*table, run, head_of(row));
  fill(view, *table, run, row, true, touched.row);
}

std::uint32_t RunIndex::add_run(RunTable& table, const RunHead& head) {
  const std::uint32_t run = table.size();
  const auto number = ids_.add(head.run_id);
  places_.resize(ids_.size());
  places_[number] = {by_experiment_.at(table.experiment_id), run};
  table.runs.push_back(number);
  table.start_times.push_back(parse_time(head.start_time).value_or(0));
  table.deleted.push_back(RunTable::kNever);
  table.alone.push_back(RunTable::kNever);
  set_removal(table, run, head);
  for (auto& [key, kept] : table.columns) extend(kept.column, table.runs.size());
  return run;
}

void RunIndex::set_removal(RunTable& table, std::uint32_t run, const RunHead& head) {
  table.deleted[run] = head.deleted.value_or(RunTable::kNever);
  table.alone[run] = head.alone.value_or(RunTable::kNever);
}

void RunIndex::fill(ViewReader& view, RunTable& table, std::uint32_t run, const RunRow& row,
                    bool metrics, bool others) {
  for (auto& [key, kept] : table.columns)
    if (key.of_metrics ? metrics : others) set(kept.column, run, read_(view, row, key));
}

void RunIndex::set(Column& column, std::uint32_t run, const Cell& cell) {
  if (auto* numbers = std::get_if<NumberColumn>(&column)) {
    const auto* value = std::get_if<double>(&cell);
    numbers->values[run] = value ? *value : NumberColumn::absent();
  } else if (auto* texts = std::get_if<TextColumn>(&column)) {
    const auto* text = std::get_if<std::string>(&cell);
    texts->codes[run] = text ? texts->pool.add(*text) + 1 : 0;
  } else {
    auto& lists = std::get<TextsColumn>(column);
    lists.numbers.erase(run);
    if (const auto* all = std::get_if<std::vector<std::string>>(&cell))
      for (const auto& text : *all) lists.numbers[run].push_back(lists.pool.add(text));
  }
}

void RunIndex::load(ViewReader& view, const std::string& experiment_id,
                    std::span<const ColumnKey> columns) {
  if (const auto at = by_experiment_.find(experiment_id); at != by_experiment_.end())
    return load_columns(view, *tables_[at->second], columns);
  by_experiment_[experiment_id] = static_cast<std::uint32_t>(tables_.size());
  auto& table = *tables_.emplace_back(std::make_unique<RunTable>());
  table.experiment_id = experiment_id;
  for (const auto& key : columns) table.columns[key] = {make_column(key.kind), tick_};
  const bool rows =
      !std::all_of(columns.begin(), columns.end(), [](const auto& key) { return key.of_metrics; });
  for (const auto id : sorted_runs(view, tenant_, experiment_id)) {
    RunRow row{.run_id = std::string(id)};
    if (rows) {
      auto stored = get_run(view, tenant_, id);
      if (!stored) continue;
      row = *std::move(stored);
    }
    const auto head = rows ? Expected(head_of(row)) : get_run_head(view, tenant_, id);
    if (head) fill(view, table, add_run(table, *head), row, true, rows);
    if (view.status()) return;
  }
}

void RunIndex::load_columns(ViewReader& view, RunTable& table, std::span<const ColumnKey> columns) {
  std::vector<std::pair<const ColumnKey*, Column*>> fresh;
  for (const auto& key : columns) {
    auto [at, is_new] = table.columns.try_emplace(key);
    at->second.used = tick_;
    if (!is_new) continue;
    at->second.column = make_column(key.kind);
    extend(at->second.column, table.runs.size());
    fresh.emplace_back(&at->first, &at->second.column);
  }
  if (fresh.empty()) return;
  const bool rows = std::any_of(fresh.begin(), fresh.end(),
                                [](const auto& each) { return !each.first->of_metrics; });
  for (std::uint32_t run = 0; run < table.size() && !view.status(); ++run) {
    const auto id = run_id(table, run);
    RunRow row{.run_id = std::string(id)};
    if (rows)
      if (auto stored = get_run(view, tenant_, id)) row = *std::move(stored);
    for (const auto& [key, column] : fresh) set(*column, run, read_(view, row, *key));
  }
}

const RunTable* RunIndex::table(const std::string& experiment_id) const {
  const auto at = by_experiment_.find(experiment_id);
  return at == by_experiment_.end() ? nullptr : tables_[at->second].get();
}

const std::string* RunIndex::kept(const RunTable& table, std::uint32_t run) const {
  const auto at = rendered_.find(table.runs[run]);
  return at == rendered_.end() ? nullptr : &at->second;
}

void RunIndex::keep(const RunTable& table, std::uint32_t run, std::string text) {
  if (rendered_size_ + text.size() > options_.rendered_bytes) {
    rendered_.clear();
    rendered_size_ = 0;
  }
  if (text.size() > options_.rendered_bytes / 8) return;
  rendered_size_ += text.size();
  rendered_.insert_or_assign(table.runs[run], std::move(text));
}

std::size_t RunIndex::footprint() const {
  std::size_t bytes = ids_.footprint() + places_.capacity() * sizeof(Place) + rendered_size_;
  for (const auto& table : tables_) {
    bytes += table->runs.capacity() * 4 + table->start_times.capacity() * 8 +
             table->deleted.capacity() * 16;
    for (const auto& [key, kept] : table->columns) bytes += footprint_of(kept.column);
  }
  return bytes;
}

// The column that was not used for longest goes first; those of this search stay.
void RunIndex::evict() {
  struct Candidate {
    std::uint64_t used;
    RunTable* table;
    const ColumnKey* key;
    std::size_t bytes;
  };
  std::size_t bytes = 0;
  std::vector<Candidate> old;
  for (const auto& table : tables_)
    for (const auto& [key, kept] : table->columns) {
      const auto size = footprint_of(kept.column);
      bytes += size;
      if (kept.used != tick_) old.push_back({kept.used, table.get(), &key, size});
    }
  if (bytes <= options_.column_bytes) return;
  std::sort(old.begin(), old.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
  for (const auto& each : old) {
    if (bytes <= options_.column_bytes) return;
    bytes -= each.bytes;
    each.table->columns.erase(each.table->columns.find(*each.key));
  }
}

void RunIndex::clear() {
  ids_ = {};
  places_.clear();
  tables_.clear();
  by_experiment_.clear();
  rendered_.clear();
  rendered_size_ = 0;
}

}  // namespace mlforge::projections
