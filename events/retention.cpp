#include "events/retention.hpp"

#include <algorithm>
#include <array>
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

// What would be lost with the payloads of the other kinds.
constexpr std::array<std::pair<std::string_view, std::string_view>, 19> kKept{{
    {"artifacts", "which files there are is folded from these events"},
    {"dataset", "the versions of datasets and their files are folded from these events"},
    {"deployment", "what an endpoint serves is folded from these events"},
    {"drift", "which windows were weighed, alerted and retrained for is folded from these events"},
    {"environment", "where runs ran is answered from these events"},
    {"evaluation_dataset", "evaluation datasets and their records are folded from these events"},
    {"experiments", "names and ids of experiments are folded from these events"},
    {"issue", "issues are folded from these events"},
    {"label_schemas", "what people are asked about traces is folded from these events"},
    {"log", "the keys that signed and what retention dropped are read from these events"},
    {"logged_model", "logged models are folded from these events"},
    {"model", "promotions, stages and aliases are folded from these events"},
    {"pipeline", "what a pipeline runs is folded from these events"},
    {"pipeline_run", "cached results and what a run did are folded from these events"},
    {"run", "the curves, params and tags of runs are folded from these events"},
    {"scorers", "the versions of scorers are folded from these events"},
    {"subjects", "which keys must stay destroyed is read from these events"},
    {"subscription", "settings and what is parked are folded from these events"},
    {"trace", "traces, their tags and their assessments are folded from these events"},
}};

// The columns of PredictionsLogged that stay, which every version of it has.
struct PredictionsLeft {
  std::vector<std::int64_t> versions, challenger;
  static constexpr auto fields() {
    return FieldList{field("versions", &PredictionsLeft::versions),
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
  const auto reason = std::find_if(kKept.begin(), kKept.end(),
                                   [&](const auto& each) { return each.first == kind; });
  const std::string why =
      reason == kKept.end() ? "there is no such kind of stream" : std::string(reason->second);
  return Error{ErrorCode::refused,
               "retention of '" + std::string(kind) + "' is refused: " + why +
                   "; the kinds that allow retention are: " + names,
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
  const auto* batch = decoded ? get_if<PredictionsLogged>(&*decoded) : nullptr;
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
