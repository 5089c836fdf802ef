// Any bytes are either refused or decode into views that lie inside of them and encode to the same
// fields again. An input is also tried with its size and checksum put right, as no fuzzer guesses
// those.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "storage/crc32c.hpp"
#include "storage/record.hpp"

namespace {

using namespace mlforge;
using namespace mlforge::storage;

void require(bool ok) {
  if (!ok) std::abort();
}

void check_inside(std::string_view view, Bytes record) {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(view.data());
  require(begin >= record.data() && begin + view.size() <= record.data() + record.size());
}

void check(Bytes record) {
  EventView event;
  if (decode_record(record, event)) return;
  for (const auto view :
       {event.tenant, event.stream, event.type, event.actor, event.command_id, event.payload})
    check_inside(view, record);
  require(record_size(event) == record.size());
  static RecordEncoder encoder;
  std::vector<std::uint8_t> again;
  encoder.append(event, record.subspan<40, kSaltBytes>(), again);
  // All but the commitment, which a reader leaves to verification, and the checksum over it.
  require(std::memcmp(again.data() + 40, record.data() + 40, record.size() - 40) == 0);
}

void put_right(std::vector<std::uint8_t>& record) {
  const auto store = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i)
      record[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
  };
  store(4, static_cast<std::uint32_t>(record.size()));
  store(0, crc32c(Bytes(record).subspan(4)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check({data, size});
  if (size < kRecordHeaderBytes) return 0;
  std::vector<std::uint8_t> record(data, data + size);
  put_right(record);
  check(record);
  return 0;
}
