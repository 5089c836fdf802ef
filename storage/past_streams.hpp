// The stream map as it stood at an earlier size of the log, whose roots are not kept.
#pragma once
#include <string_view>

#include "storage/log.hpp"
#include "storage/stream_map.hpp"

namespace mlforge::storage {

// Puts the map of the first `size` events together from the log, all of which it reads: about a
// second for a million events of 250,000 streams, and memory for the streams' names. Answers its
// root and the walk for a stream. Any thread.
Expected<Digest> prove_past_stream(const Log& log, std::uint64_t size, std::string_view tenant,
                                   std::string_view stream, MapProof& proof);

}  // namespace mlforge::storage
