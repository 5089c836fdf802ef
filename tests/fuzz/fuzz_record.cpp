// Any bytes are either refused or decode into views that lie inside of them and encode to the same
// fields again. An input is also tried with its size and checksum put right, as no fuzzer guesses
// those.
#include <algorithm>
#include <vector>

#include "storage/crc32c.hpp"
#include "storage/record.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace mlforge;
using namespace mlforge::storage;

using fuzz::require;

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
  auto body = record_salted_body(again);
  const auto expired =
      event.expired ? expire_body(body, event.payload) : std::vector<std::uint8_t>();
  if (event.expired) body = expired;
  // All but the commitment, which a reader leaves to verification, and the checksum over it.
  const auto given = record_salted_body(record);
  require(std::equal(body.begin(), body.end(), given.begin(), given.end()));
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

std::vector<std::string> mlforge::fuzz::seeds() {
  RecordEncoder encoder;
  const std::array<std::uint8_t, kSaltBytes> salt{9, 9};
  std::vector<std::string> out;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    EventView e;
    e.position = e.version = i;
    e.tenant = "default", e.stream = "run/a", e.type = "run.ended", e.actor = "ann";
    e.time = i == 2 ? INT64_MIN : 1'700'000'000'000'000;
    e.command_id = i == 3 ? "key-1#0123456789abcdef" : "";
    e.content_type = i == 2 ? ContentType::columns : ContentType::json;
    const std::string payload(i == 1 ? 0 : 300 * i, 'x');
    e.payload = payload;
    std::vector<std::uint8_t> record;
    encoder.append(e, salt, record);
    out.emplace_back(record.begin(), record.end());
    if (i < 3) continue;
    const auto left = expire_body(record_salted_body(record), "{}");
    assemble_record(record_commitment(record), left, record);
    out.emplace_back(record.begin(), record.end());
  }
  return out;
}

std::vector<std::string> mlforge::fuzz::words() {
  return {std::string(2, '\0'), std::string(4, '\xff'), std::string(8, '\x7f'), "\x01"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check({data, size});
  if (size < kRecordHeaderBytes) return 0;
  std::vector<std::uint8_t> record(data, data + size);
  put_right(record);
  check(record);
  return 0;
}
