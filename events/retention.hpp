// How long the bodies of events are kept, by the kind of their stream: docs/retention.md.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "events/vocabulary_log.hpp"

namespace mlforge {

// Nothing where the event is another, or does not decode.
std::optional<RetentionApplied> retention_applied(std::string_view type, std::string_view payload);
NewEvent encode_retention(const RetentionApplied& event);
inline constexpr std::string_view kRetentionStream = "log/retention";

// "predictions" of "predictions/adult".
std::string_view stream_kind(std::string_view stream);

// The kinds whose bodies may go: those that no decision is folded from.
const std::vector<std::string_view>& kinds_with_retention();
// `refused` for every other kind; names those that allow it.
Status check_retention_kind(std::string_view kind);

// "90s", "15m", "12h", "30d", "4w" or "1y" (365 days) as microseconds; nothing for any other text
// or one that is 0.
std::optional<TimeUs> parse_duration(std::string_view text);

struct RetentionState {                   // stream log/retention
  std::map<std::string, Position> up_to;  // by kind
};

struct ApplyRetention {
  std::string kind;
  std::string keep;          // as it was asked for: "30d"
  TimeUs before = 0;         // events up to this time are dropped
  Position up_to = 0;        // and this is the last of them
  std::uint64_t events = 0;  // of that kind, that were not dropped before
};

// Nothing where no event is to be dropped.
Expected<std::optional<RetentionApplied>> decide(const RetentionState& state,
                                                 const ApplyRetention& command);
void evolve(RetentionState& state, const RetentionApplied& event);

// What stays of an event's payload when it is dropped: what the read models count, so that they are
// the same whether they saw the event whole or not. Of predictions: the version and the route of
// each answer, in no order.
std::string residue(const EventView& event);

}  // namespace mlforge
