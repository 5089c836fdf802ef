// What the routes of subjects answer; the command line reads it back.
#pragma once
#include <string>
#include <vector>

#include "events/envelope.hpp"
#include "events/fields.hpp"

namespace mlforge::gateway {

struct SubjectRow {
  std::string subject;
  std::string created;               // RFC 3339
  std::vector<std::string> key_ids;  // oldest first; new texts are encrypted under the last
  static constexpr auto fields() {
    return FieldList{field("subject", &SubjectRow::subject), field("created", &SubjectRow::created),
                     field("key_ids", &SubjectRow::key_ids)};
  }
};

struct SubjectPage {
  Position position = 0;
  std::vector<SubjectRow> items;
  std::string next_page_token;
  static constexpr auto fields() {
    return FieldList{field("position", &SubjectPage::position), field("items", &SubjectPage::items),
                     field("next_page_token", &SubjectPage::next_page_token)};
  }
};

struct ShreddedAnswer {
  Position position = 0;  // of the event that says so
  std::vector<std::string> key_ids;
  static constexpr auto fields() {
    return FieldList{field("position", &ShreddedAnswer::position),
                     field("key_ids", &ShreddedAnswer::key_ids)};
  }
};

}  // namespace mlforge::gateway
