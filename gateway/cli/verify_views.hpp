// Compares the read models of a folder that no server has open with those that its log gives.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "events/error.hpp"
#include "events/fields.hpp"

namespace mlforge::gateway::cli {

struct ViewsReport {
  bool checked = false;              // false: there are none that the next start would keep
  std::vector<std::string> damaged;  // names of projections
  std::string what;                  // a sentence; empty when all is well
  static constexpr auto fields() {
    return FieldList{field("checked", &ViewsReport::checked),
                     field("damaged", &ViewsReport::damaged), field("what", &ViewsReport::what)};
  }
};

// Works on a copy in a temporary folder (TMPDIR), which takes twice the room of views/, and changes
// nothing in `data_folder`. LMDB trusts the pages that it maps, so it is done in a child process,
// whose crash is a finding. Call it while the process has one thread.
Expected<ViewsReport> verify_views(const std::filesystem::path& data_folder);

}  // namespace mlforge::gateway::cli
