// What the demo ends with: what happened, how good each version is, who answered, what drifted,
// where to look.
#pragma once
#include "projections/queries.hpp"

namespace mlforge::gateway {

struct DemoReport {
  std::string url, data_dir;
  int pid = 0;       // of the server that is left running; 0: none
  std::string data;  // what it was trained on, in words
  std::string mark;  // of data that is not UCI's: DemoData::mark
  bool synthetic = false;
  std::uint64_t rows = 0;
  std::vector<std::string> happened;
  std::vector<projections::ModelVersionRow> versions;  // newest first
  projections::EndpointRow endpoint;
  std::vector<projections::DriftRow> drift;  // newest first
  Position events = 0;
  static constexpr auto fields() {
    return FieldList{
        field("url", &DemoReport::url),           field("data_dir", &DemoReport::data_dir),
        field("data", &DemoReport::data),         field("synthetic", &DemoReport::synthetic),
        field("rows", &DemoReport::rows),         field("happened", &DemoReport::happened),
        field("versions", &DemoReport::versions), field("endpoint", &DemoReport::endpoint),
        field("drift", &DemoReport::drift),       field("events", &DemoReport::events)};
  }
};

std::string report_text(const DemoReport& report);

}  // namespace mlforge::gateway
