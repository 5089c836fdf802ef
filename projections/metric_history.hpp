// A series in an order that clients ask for, by rank: pages, samples, ranges of steps.
#pragma once
#include <span>
#include <vector>

#include "projections/metric_blocks.hpp"

namespace mlforge::projections {

enum class HistoryOrder {
  time,       // timestamp, step, value; the same point twice is one (MLflow's get-history)
  step,       // step, timestamp, value; the same
  step_every  // step, timestamp, as logged; every point
};

// One series as of a position. A series that was logged in the order asked for is read where it is
// needed: a rank costs a search in the list of blocks and one block. Any other is read and sorted
// as a whole when it is first touched. The reader must outlive it; its status() says what failed.
class MetricHistory {
 public:
  MetricHistory(ViewReader& view, const SeriesId& id, HistoryOrder order, Position as_of = kLatest);
  MetricHistory(const MetricHistory&) = delete;
  MetricHistory& operator=(const MetricHistory&) = delete;

  // How many points there are; 0 also where there is no such series.
  std::uint64_t size() const { return size_; }

  // Points from (included) to (excluded).
  std::vector<MetricPoint> slice(std::uint64_t from, std::uint64_t to);
  // Those of these ranks, which ascend.
  std::vector<MetricPoint> at(std::span<const std::uint64_t> ranks);
  // The first rank whose step is not below `step`; not of the order `time`.
  std::uint64_t rank_of_step(std::int64_t step);
  // The ranks of the smallest and the largest value, the first of equals; nothing where all values
  // are NaN.
  std::vector<std::uint64_t> extremes();

 private:
  struct Block {
    std::uint64_t first = 0;  // rank
    std::string_view points;
  };
  void bound(Position as_of);
  void sort_all(Position as_of, HistoryOrder order);
  void load_entries();
  // The block that holds a rank.
  Block block_of(std::uint64_t rank);
  std::string_view block_points(const BlockEntry& entry);

  ViewReader& view_;
  std::string run_id_, key_, tenant_;
  SeriesId id_;
  bool sorted_ = false;              // all_ has everything
  std::vector<MetricPoint> all_;     // in order
  std::vector<BlockEntry> entries_;  // of the sealed blocks
  SeriesHead head_;
  std::string row_;  // read_tail()
  std::string_view tail_;
  std::string single_;  // the bytes of a series of one point
  std::uint64_t size_ = 0;
  Block current_;
};

// Of `total` points in order at most `most` (at least 1), evenly: the first of each of `most` parts
// of equal size, and the last point, for that of the last part where there is no more room.
std::vector<std::uint64_t> sample_ranks(std::uint64_t total, std::uint64_t most);

}  // namespace mlforge::projections
