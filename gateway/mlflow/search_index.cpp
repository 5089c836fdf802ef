#include "gateway/mlflow/search_index.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "gateway/mlflow/run_subject.hpp"
#include "gateway/mlflow/search_bits.hpp"

namespace mlforge::gateway::mlflow {
namespace {

using projections::NumberColumn;
using projections::RunIndex;
using projections::RunTable;
using projections::TextColumn;

// One experiment of a search, with the columns that it is ordered by.
struct Part {
  ExperimentRow experiment;
  const RunTable* table = nullptr;
  struct Ordering {
    const NumberColumn* numbers = nullptr;
    const TextColumn* texts = nullptr;  // neither: the experiment's id or the lifecycle stage
    bool lifecycle = false;
  };
  std::vector<Ordering> orderings;

  bool is_deleted(std::uint32_t run) const { return table->is_deleted(run, experiment); }
  Value value(std::size_t order, std::uint32_t run) const {
    const auto& by = orderings[order];
    if (by.numbers) {
      const double number = by.numbers->values[run];
      return NumberColumn::is_absent(number) ? Value() : Value(number);
    }
    if (by.texts) {
      const auto code = by.texts->codes[run];
      return code == 0 ? Value() : Value(std::string(by.texts->pool.at(code - 1)));
    }
    if (by.lifecycle) return std::string(is_deleted(run) ? "deleted" : "active");
    return experiment.experiment_id;
  }
};

// A run that fits. What the first ORDER BY says of it is at hand where that is a number.
struct Item {
  double key = 0;  // smaller comes first
  std::uint8_t rank = 0;
  std::uint32_t part = 0, run = 0;
};

class Ranking {
 public:
  Ranking(const RunIndex& index, const RunSearch& search, const std::vector<Part>& parts)
      : index_(index), search_(search), parts_(parts) {}

  Item item(std::uint32_t part, std::uint32_t run) const {
    Item out{.part = part, .run = run};
    if (search_.orders.empty() || !parts_[part].orderings[0].numbers) return out;
    const double number = parts_[part].orderings[0].numbers->values[run];
    out.rank = NumberColumn::is_absent(number) ? 2 : std::isnan(number) ? 1 : 0;
    if (out.rank == 0) out.key = search_.orders[0].descending ? -number : number;
    return out;
  }

  bool operator()(const Item& a, const Item& b) const {
    if (a.rank != b.rank) return a.rank < b.rank;
    if (a.key != b.key) return a.key < b.key;
    const Part &pa = parts_[a.part], &pb = parts_[b.part];
    for (std::size_t i = 0; i < search_.orders.size(); ++i)
      if (i > 0 || !pa.orderings[0].numbers)
        if (const int c =
                compare(pa.value(i, a.run), pb.value(i, b.run), search_.orders[i].descending))
          return c < 0;
    const auto ta = pa.table->start_times[a.run], tb = pb.table->start_times[b.run];
    if (ta != tb) return ta > tb;
    return index_.run_id(*pa.table, a.run) < index_.run_id(*pb.table, b.run);
  }

 private:
  const RunIndex& index_;
  const RunSearch& search_;
  const std::vector<Part>& parts_;
};

// The first `most` of all that fit, in order, and how many fit.
struct Best {
  std::vector<Item> items;
  std::size_t matches = 0;
};

Bits wanted_runs(const Part& part, const RunSearch& search) {
  const auto& table = *part.table;
  Bits bits =
      bits_where(table.size(), [&](auto run) { return search.view.wants(part.is_deleted(run)); });
  if (!search.filter.root()) return bits;
  const Bits matching = matching_runs(table, *search.filter.root());
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] &= matching[i];
  return bits;
}

Best find_best(const std::vector<Part>& parts, const RunSearch& search, const Ranking& before) {
  Best best;
  const std::size_t most = search.offset + search.most;
  for (std::uint32_t p = 0; p < parts.size(); ++p) {
    const Bits bits = wanted_runs(parts[p], search);
    for (std::uint32_t word = 0; word < bits.size(); ++word)
      for (auto rest = bits[word]; rest != 0; rest &= rest - 1) {
        const auto run = word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
        ++best.matches;
        const Item item = before.item(p, run);
        if (best.items.size() == most) {
          if (!before(item, best.items.front())) continue;
          std::pop_heap(best.items.begin(), best.items.end(), before);
          best.items.back() = item;
        } else {
          best.items.push_back(item);
        }
        std::push_heap(best.items.begin(), best.items.end(), before);
      }
  }
  std::sort_heap(best.items.begin(), best.items.end(), before);
  return best;
}

std::vector<projections::ColumnKey> columns_of(const RunSearch& search) {
  std::vector<projections::ColumnKey> columns;
  if (search.filter.root()) add_columns(*search.filter.root(), columns);
  for (const auto& order : search.orders) {
    const bool fixed = order.key.entity == Entity::attribute &&
                       (order.key.name == "experiment_id" || order.key.name == "lifecycle_stage");
    auto column = column_of(order.key);
    if (!fixed && std::find(columns.begin(), columns.end(), column) == columns.end())
      columns.push_back(std::move(column));
  }
  return columns;
}

// An order by lists of texts is not worth columns.
bool is_for_index(const RunSearch& search) {
  return std::none_of(search.orders.begin(), search.orders.end(),
                      [](const Order& order) { return order.key.entity == Entity::dataset; });
}

std::vector<Part> make_parts(const RunIndex& index, const RunSearch& search,
                             std::vector<ExperimentRow> experiments) {
  std::vector<Part> parts;
  for (auto& experiment : experiments) {
    Part part{std::move(experiment), nullptr, {}};
    part.table = index.table(part.experiment.experiment_id);
    if (!part.table) continue;
    for (const auto& order : search.orders) {
      Part::Ordering by;
      const auto at = part.table->columns.find(column_of(order.key));
      if (at != part.table->columns.end()) {
        by.numbers = std::get_if<NumberColumn>(&at->second.column);
        by.texts = std::get_if<TextColumn>(&at->second.column);
      }
      by.lifecycle = order.key.name == "lifecycle_stage" && !by.texts;
      part.orderings.push_back(by);
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

Expected<std::vector<ExperimentRow>> known_experiments(const QueryContext& q,
                                                       const RunSearch& search) {
  std::vector<ExperimentRow> out;
  for (const auto& id : search.experiments) {
    auto experiment = find_experiment(q, id);
    if (experiment)
      out.push_back(*std::move(experiment));
    else if (experiment.error().code != ErrorCode::not_found)
      return experiment.error();
  }
  return out;
}

// Runs that come again in the next search are kept as they were written.
void write_found(std::string& out, RunIndex& index, const QueryContext& q, const Part& part,
                 std::uint32_t run) {
  const bool deleted = part.is_deleted(run);
  if (const auto* kept = deleted ? nullptr : index.kept(*part.table, run)) {
    out += *kept;
    return;
  }
  auto row = projections::get_run(q.reader, kTenant, index.run_id(*part.table, run));
  if (!row) return;  // the reader's status says why
  const auto start = out.size();
  write_run(out, q, {*std::move(row), deleted});
  if (!deleted) index.keep(*part.table, run, out.substr(start));
}

void answer(App& app, Reply& reply, const RunSearch& search, Position wanted) {
  if (app.projected.position() < wanted) return fail(reply, standing_still(app));
  // Before the snapshot, which is then at least as new as it says.
  const Position seen = std::max(wanted, app.projected.position());
  auto reader = app.views->reader();
  if (!reader) return fail(reply, reader.error());
  reader->require(wanted);
  const QueryContext q{*reader, projections::kLatest, seen};
  auto result =
      is_for_index(search) ? search_index(*app.run_index, q, search) : search_rows(q, search);
  if (reader->status()) return fail(reply, *reader->status());
  if (!result) return fail(reply, result.error());
  auto response = revealed(app, http::Response::json(*std::move(result)));
  response.headers.emplace_back("X-Mlforge-Position", std::to_string(seen));
  reply.send(std::move(response));
}

}  // namespace

projections::Cell read_cell(projections::ViewReader& view, const RunRow& row,
                            const projections::ColumnKey& key) {
  const QueryContext q{view, projections::kLatest, 0};
  return RunSubject(q, row, false)
      .value(
          {static_cast<Entity>(key.entity), key.name, key.kind == projections::CellKind::number});
}

Expected<std::string> search_index(RunIndex& index, const QueryContext& q,
                                   const RunSearch& search) {
  auto experiments = known_experiments(q, search);
  if (!experiments) return experiments.error();
  std::vector<std::string> ids;
  for (const auto& each : *experiments) ids.push_back(each.experiment_id);
  const auto columns = columns_of(search);
  if (auto bad = index.prepare(q.reader, ids, columns)) {
    if (q.reader.status()) return *bad;
    return search_rows(q, search);
  }
  const auto parts = make_parts(index, search, *std::move(experiments));
  const Ranking before(index, search, parts);
  const auto best = find_best(parts, search, before);
  const auto from = std::min(search.offset, best.items.size());
  std::string out;
  {
    Object whole(out);
    whole.array("runs", std::span(best.items).subspan(from), [&](std::string& each, const Item& i) {
      write_found(each, index, q, parts[i.part], i.run);
    });
    if (best.items.size() < best.matches)
      whole.text("next_page_token", page_token(best.items.size()));
  }
  return out;
}

void search_newest(App& app, Reply reply, std::shared_ptr<const RunSearch> search) {
  app.run_index->listen();
  Position wanted = app.log->head();
  if (app.projected.failed() && app.log->writable())
    wanted = std::min(wanted, app.projected.position());
  auto go = [&app, search, wanted, shared = std::make_shared<Reply>(std::move(reply))] {
    auto& index = *app.run_index;
    if (std::unique_lock lock(index.mutex(), std::try_to_lock);
        lock && index.has(search->experiments, columns_of(*search)))
      return answer(app, *shared, *search, wanted);
    run_blocking(app, std::move(*shared), [&app, search, wanted](Reply reply) {
      const std::lock_guard lock(app.run_index->mutex());
      answer(app, reply, *search, wanted);
    });
  };
  if (app.projected.position() >= wanted) return go();
  app.projected.when(wanted, [&app, go] { app.server->post(go); });
}

}  // namespace mlforge::gateway::mlflow
