// A log as a platform that trains and serves writes it, for measuring replays. Seeded.
#pragma once
#include <cstdint>
#include <memory>

#include "storage/log.hpp"

namespace mlforge::bench {

// Of 1,000 events: 720 of metrics (one to five keys each), 100 of predictions (16 answers with 14
// features), 70 of params, 40 of tags, 30 of artifacts, 25 of run starts, 20 of run ends, and 15 of
// inputs, model versions, stages and pipeline steps. 200 runs are under way at a time.
void fill_mixed(storage::Log& log, std::uint64_t events);

// Metrics only: one value of one key an event, of `runs` runs in turn with five keys each.
void fill_metrics(storage::Log& log, std::uint64_t events, std::size_t runs);

}  // namespace mlforge::bench
