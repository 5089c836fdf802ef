// Issues as they are now.
#pragma once
#include <functional>
#include <optional>

#include "projections/projection.hpp"
#include "projections/view_reader.hpp"

namespace mlforge::projections {

struct IssueRow {
  IssueCreated info;  // with what was updated
  std::int64_t updated_ms = 0;
  static constexpr auto fields() {
    return FieldList{field("info", &IssueRow::info), field("updated_ms", &IssueRow::updated_ms)};
  }
};

// Versioned: "issue" by id.
class IssuesProjection : public Dispatch<IssuesProjection> {
 public:
  static constexpr std::string_view kName = "issues";
  static constexpr std::uint32_t kVersion = 1;
  void on(ViewWriter& view, const EventView& envelope, const IssueCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const IssueUpdated& event);
};

std::optional<IssueRow> find_issue(ViewReader& view, std::string_view tenant,
                                   std::string_view issue_id, Position as_of = kLatest);

// All of a tenant, by id; `visit` answers whether it wants more.
void each_issue(ViewReader& view, std::string_view tenant, Position as_of,
                const std::function<bool(IssueRow)>& visit);

}  // namespace mlforge::projections
