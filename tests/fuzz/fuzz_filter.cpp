// Any filter of the event API is refused by a sentence that names its parameter, or lets exactly
// those events through that a plain reading of the words does, in pages of any size.
//
// An input: six parts at line feeds: stream, type, since, until, tenant, and a number that cuts the
// pages.
#include <set>

#include "gateway/event_filter.hpp"
#include "storage/memory_log.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace mlforge;
using fuzz::require;

struct FixedClock final : storage::Clock {
  TimeUs time = 1'700'000'000'000'000;
  TimeUs now() override { return time += 1'000'000; }
};

const storage::MemoryLog& log() {
  static const auto made = [] {
    auto out = std::make_unique<storage::MemoryLog>(std::make_shared<FixedClock>(),
                                                    storage::seeded_ids(1));
    const char* streams[] = {"run/a", "run/ab", "run/b", "model/adult", "r/x", "run*/y"};
    const char* types[] = {"run.started", "run.ended", "model.registered", "run.started.later"};
    for (int i = 0; i < 60; ++i) {
      storage::AppendRequest request{.tenant = i % 7 == 3 ? "other" : "default", .actor = "ann"};
      request.events.push_back({streams[i % 6], types[i % 4], 1, ContentType::json, "{}", {}});
      require(out->append({&request, 1}).front().has_value());
    }
    return out;
  }();
  return *made;
}

std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> out(1);
  for (const char c : text)
    if (c == '\n' && out.size() < 6)
      out.emplace_back();
    else
      out.back() += c;
  out.resize(6);
  return out;
}

bool fits(std::string_view text, std::string_view pattern) {
  if (pattern.empty()) return true;
  if (pattern.back() != '*') return text == pattern;
  pattern.remove_suffix(1);
  return text.substr(0, pattern.size()) == pattern;
}

std::set<Position> wanted(const std::vector<std::string>& parts, TimeUs since, TimeUs until) {
  std::set<Position> out;
  const auto read = log().read(1, UINT64_MAX, [&](const EventView& e) {
    if (e.tenant == parts[4] && fits(e.stream, parts[0]) && fits(e.type, parts[1]) &&
        e.time >= since && e.time <= until)
      out.insert(e.position);
    return true;
  });
  require(read.has_value());
  return out;
}

// The positions in a page, read off its JSON.
void gather(std::string_view items, std::set<Position>& out, std::size_t count) {
  constexpr std::string_view kKey = "{\"position\":";
  std::size_t found = 0;
  for (auto at = items.find(kKey); at != items.npos; at = items.find(kKey, at + 1), ++found)
    out.insert(std::strtoull(items.data() + at + kKey.size(), nullptr, 10));
  require(found == count);
}

void check_pages(const gateway::EventFilter& filter, const std::set<Position>& expected,
                 std::size_t limit) {
  std::set<Position> got;
  const Position head = log().head();
  Position from = 1;
  for (int pages = 0; from <= head; ++pages) {
    require(pages < 200);
    const auto page = gateway::read_events(log(), filter, from, head, limit, 1 << 20);
    require(page.has_value() && page->count <= limit && page->next_from > from);
    gather(page->items, got, page->count);
    from = page->next_from;
  }
  require(got == expected);
}

}  // namespace

std::vector<std::string> mlforge::fuzz::seeds() {
  return {"run/*\nrun.*\n2023-11-14T22:13:30Z\n2023-11-14T22:14:00.000001+01:30\ndefault\n3",
          "run/ab\n\n\n\ndefault\n1",
          "*\nmodel.registered\n\n2023-11-14\nother\n100",
          "\n\n1970-01-01T00:00:00Z\n9999-12-31T23:59:60Z\ndefault\n7",
          "run*/*\n*\n\n\ndefault\n2",
          "nothing/here\nrun.started\n\n\nnobody\n5"};
}

std::vector<std::string> mlforge::fuzz::words() {
  return {"*", "/", "run/", "run.", "\n", "Z", "+01:00", "-23:59", "T24:00:00", "0000", "9999"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parts = parts_of({reinterpret_cast<const char*>(data), size});
  http::Request request;
  request.query_params = {{"stream", parts[0]}, {"type", parts[1]}};
  if (!parts[2].empty()) request.query_params.push_back({"since", parts[2]});
  if (!parts[3].empty()) request.query_params.push_back({"until", parts[3]});
  if (!parts[4].empty()) request.query_params.push_back({"tenant", parts[4]});
  const auto filter = gateway::parse_event_filter(request);
  const auto since = parse_time(parts[2]), until = parse_time(parts[3]);
  if (!filter) {
    require(filter.error().code == ErrorCode::invalid_argument);
    require(filter.error().field == (parts[2].empty() || since ? "until" : "since"));
    return 0;
  }
  require((parts[2].empty() || since) && (parts[3].empty() || until));
  auto plain = parts;
  if (plain[4].empty()) plain[4] = "default";
  const auto expected = wanted(plain, since.value_or(INT64_MIN), until.value_or(INT64_MAX));
  const auto limit = 1 + std::strtoull(parts[5].c_str(), nullptr, 10) % 100;
  check_pages(*filter, expected, limit);
  return 0;
}
