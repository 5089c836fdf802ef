// The files that events speak of: artifacts, datasets, models. Their blobs should be there.
#pragma once
#include <functional>

#include "events/envelope.hpp"
#include "storage/digest.hpp"

namespace mlforge::storage {

// Calls `take` for each file that an event names. Costs next to nothing for events of other types.
void each_file_named(const EventView& event, const std::function<void(const Digest&)>& take);

}  // namespace mlforge::storage
