#include "actors/pipeline_params.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace mlforge::actors {
namespace {

constexpr double kAny = std::numeric_limits<double>::max();

// A number in [low, high], whole or not, or one of the words.
struct ParamRule {
  std::string_view name;
  bool whole = false;
  double low = 0, high = kAny;
  std::string_view words;  // separated by commas; then it is no number
};

// https://xgboost.readthedocs.io/en/release_1.7.0/parameter.html
constexpr ParamRule kParams[] = {
    {"colsample_bylevel", false, 0, 1, ""},
    {"colsample_bynode", false, 0, 1, ""},
    {"colsample_bytree", false, 0, 1, ""},
    {"gamma", false, 0, kAny, ""},
    {"grow_policy", false, 0, 0, "depthwise,lossguide"},
    {"learning_rate", false, 0, 1, ""},
    {"max_bin", true, 2, 65536, ""},
    {"max_delta_step", false, 0, kAny, ""},
    {"max_depth", true, 0, 64, ""},
    {"max_leaves", true, 0, 1 << 20, ""},
    {"min_child_weight", false, 0, kAny, ""},
    {"num_parallel_tree", true, 1, 1000, ""},
    {"reg_alpha", false, 0, kAny, ""},
    {"reg_lambda", false, 0, kAny, ""},
    {"scale_pos_weight", false, 0, kAny, ""},
    {"subsample", false, 0, 1, ""},
    {"tree_method", false, 0, 0, "hist,approx,exact"},
};

std::string known_params() {
  std::string out;
  for (const auto& rule : kParams) out += (out.empty() ? "" : ", ") + std::string(rule.name);
  return out;
}

bool is_one_of(std::string_view words, std::string_view value) {
  while (!words.empty()) {
    const auto comma = words.find(',');
    if (words.substr(0, comma) == value) return true;
    if (comma == std::string_view::npos) break;
    words.remove_prefix(comma + 1);
  }
  return false;
}

std::string text_of(double value) { return std::to_string(static_cast<long long>(value)); }

std::optional<std::string> check_number(const ParamRule& rule, const std::string& value) {
  double number = 0;
  const auto* end = value.data() + value.size();
  const auto [at, failed] = std::from_chars(value.data(), end, number);
  const bool good = failed == std::errc{} && at == end && std::isfinite(number) &&
                    number >= rule.low && number <= rule.high &&
                    (!rule.whole || value.find_first_not_of("0123456789") == std::string::npos);
  if (good) return std::nullopt;
  std::string wanted = rule.whole ? "must be a whole number from " : "must be a number from ";
  wanted += text_of(rule.low) + (rule.high == kAny ? " on" : " to " + text_of(rule.high));
  return wanted + ", not '" + value + "'";
}

}  // namespace

std::optional<std::string> check_param(const std::string& name, const std::string& value) {
  for (const auto& rule : kParams) {
    if (rule.name != name) continue;
    if (rule.words.empty()) return check_number(rule, value);
    if (is_one_of(rule.words, value)) return std::nullopt;
    return "must be one of " + std::string(rule.words) + ", not '" + value + "'";
  }
  return "is not a param that a step may set; those are " + known_params();
}

}  // namespace mlforge::actors
