#include "actors/repository.hpp"

namespace mlforge::actors {

Expected<std::uint64_t> fold_stream(const storage::Log& log, std::string_view tenant,
                                    std::string_view stream,
                                    const std::function<void(const Event&)>& take) {
  std::uint64_t version = 0;
  Status bad;
  const auto read =
      log.read_stream(tenant, stream, 1, UINT64_MAX, UINT64_MAX, [&](const EventView& e) {
        auto event = decode_event(e);
        if (!event) {
          bad = event.error();
          return false;
        }
        take(*event);
        version = e.version;
        return true;
      });
  if (!read) return read.error();
  if (bad) return *bad;
  return version;
}

}  // namespace mlforge::actors
