// What `mlforge doctor` looks at; each check answers one row or several.
#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "gateway/cli/api.hpp"
#include "gateway/config.hpp"

namespace mlforge::gateway::cli {

struct CheckRow {
  std::string check;
  std::string result;  // ok; note: worth knowing; finding: should be put right
  std::string detail;
  static constexpr auto fields() {
    return FieldList{field("check", &CheckRow::check), field("result", &CheckRow::result),
                     field("detail", &CheckRow::detail)};
  }
};
using CheckRows = std::vector<CheckRow>;

// The folder itself, or the nearest one above it that exists.
std::filesystem::path existing_folder(const std::filesystem::path& folder);

CheckRow check_folder(const std::filesystem::path& folder);
CheckRow check_subscriptions(const std::filesystem::path& folder);
CheckRow check_disk(const std::filesystem::path& folder);
// Appends and syncs 4 KiB at a time for `duration`, in a file that is gone afterwards.
CheckRow check_sync_rate(const std::filesystem::path& folder, std::chrono::milliseconds duration);
CheckRow check_nats(const Config& config);
CheckRow check_clock();
CheckRows check_limits(const Config& config);
// `expected`: somebody said which server, so that none answering is a finding.
CheckRows check_server(Api& api, bool expected);

// Names and versions of what this program is made with, itself first.
std::vector<std::pair<std::string, std::string>> versions();

}  // namespace mlforge::gateway::cli
