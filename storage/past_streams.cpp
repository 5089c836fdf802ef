#include "storage/past_streams.hpp"

#include <algorithm>
#include <unordered_map>

#include "storage/stream_key.hpp"

namespace mlforge::storage {

Expected<Digest> prove_past_stream(const Log& log, std::uint64_t size, std::string_view tenant,
                                   std::string_view stream, MapProof& proof) {
  std::unordered_map<StreamKey, StreamState, StreamKeyHash, StreamKeyEqual> streams;
  const auto read = log.read(1, size, [&](const EventView& e) {
    const StreamName name{e.tenant, e.stream};
    auto at = streams.find(name);
    if (at == streams.end()) at = streams.try_emplace(StreamKey(name)).first;
    at->second = {e.version, e.position};
    return true;
  });
  if (!read) return read.error();
  std::vector<StreamLeaf> leaves;
  leaves.reserve(streams.size());
  for (const auto& [key, state] : streams)
    leaves.push_back({stream_key(key.name().tenant, key.name().name), state});
  std::sort(leaves.begin(), leaves.end(),
            [](const StreamLeaf& a, const StreamLeaf& b) { return a.key < b.key; });
  return prove_in_leaves(stream_key(tenant, stream), leaves, proof);
}

}  // namespace mlforge::storage
