#include "events/retention.hpp"

#include <algorithm>
#include <charconv>

#include "events/checks.hpp"
#include "events/codec.hpp"
#include "events/columns.hpp"
#include "events/event_codec.hpp"

namespace mlforge {
namespace {

constexpr TimeUs kSecond = 1'000'000;

TimeUs unit_of(char letter) {
  switch (letter) {
    case 's':
      return kSecond;
    case 'm':
      return 60 * kSecond;
    case 'h':
      return 3600 * kSecond;
    case 'd':
      return 86'400 * kSecond;
    case 'w':
      return 7 * 86'400 * kSecond;
    case 'y':
      return 365 * 86'400 * kSecond;
    default:
      return 0;
  }
}

// The columns of PredictionsLogged that stay, which every version of it has.
struct PredictionsLeft {
  std::vector<std::int64_t> versions, challenger;
  static constexpr auto fields() {
    return std::tuple{field("versions", &PredictionsLeft::versions),
                      field("challenger", &PredictionsLeft::challenger)};
  }
};

}  // namespace

std::string_view stream_kind(std::string_view stream) { return stream.substr(0, stream.find('/')); }

const std::vector<std::string_view>& kinds_with_retention() {
  static const std::vector<std::string_view> kinds{"predictions"};
  return kinds;
}

Status check_retention_kind(std::string_view kind) {
  const auto& kinds = kinds_with_retention();
  if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) return {};
  std::string names;
  for (const auto each : kinds) names.append(names.empty() ? "" : ", ").append(each);
  return Error{ErrorCode::refused,
               "retention of '" + std::string(kind) +
                   "' is refused: states and decisions rest on these events; the kinds that allow "
                   "retention are: " +
                   names,
               "kind"};
}

std::optional<TimeUs> parse_duration(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const TimeUs unit = unit_of(text.back());
  std::uint32_t count = 0;
  const char* end = text.data() + text.size() - 1;
  const auto [at, failed] = std::from_chars(text.data(), end, count);
  if (unit == 0 || failed != std::errc{} || at != end || count == 0 || count > 100'000'000)
    return std::nullopt;
  if (count > INT64_MAX / 4 / unit) return std::nullopt;
  return static_cast<TimeUs>(count) * unit;
}

std::optional<RetentionApplied> retention_applied(std::string_view type, std::string_view payload) {
  if (type != RetentionApplied::type) return std::nullopt;
  auto event = from_json<RetentionApplied>(payload, Unknown::skip);
  if (!event) return std::nullopt;
  return *std::move(event);
}

NewEvent encode_retention(const RetentionApplied& event) {
  NewEvent out;
  out.stream = kRetentionStream;
  out.type = RetentionApplied::type;
  out.payload = to_json(event);
  return out;
}

Expected<std::optional<RetentionApplied>> decide(const RetentionState& state,
                                                 const ApplyRetention& c) {
  if (auto bad = check_retention_kind(c.kind)) return *bad;
  if (!parse_duration(c.keep)) return invalid("keep", "must be a duration such as 12h, 30d or 1y");
  const auto known = state.up_to.find(c.kind);
  if (c.events == 0 || (known != state.up_to.end() && known->second >= c.up_to))
    return std::optional<RetentionApplied>();
  return std::optional(RetentionApplied{.kind = c.kind,
                                        .keep = c.keep,
                                        .before = format_time(c.before),
                                        .up_to = c.up_to,
                                        .events = c.events});
}

void evolve(RetentionState& state, const RetentionApplied& e) {
  auto& up_to = state.up_to[e.kind];
  up_to = std::max(up_to, e.up_to);
}

std::string residue(const EventView& event) {
  const auto decoded = decode_event(event);
  const auto* batch = decoded ? std::get_if<PredictionsLogged>(&*decoded) : nullptr;
  if (!batch) return {};
  const std::size_t n = std::min(batch->versions.size(), batch->challenger.size());
  std::vector<std::pair<std::int64_t, std::int64_t>> answers(n);
  for (std::size_t i = 0; i < n; ++i) answers[i] = {batch->versions[i], batch->challenger[i]};
  std::sort(answers.begin(), answers.end());
  PredictionsLeft left;
  for (const auto& [version, challenger] : answers) {
    left.versions.push_back(version);
    left.challenger.push_back(challenger);
  }
  return columns::encode(left);
}

}  // namespace mlforge
