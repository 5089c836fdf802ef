// What MLflow allows as a key, a value, a name. Each check answers invalid_argument with MLflow's
// own sentence, or nothing. Lengths count characters, as there.
#pragma once
#include <string>
#include <string_view>

#include "events/vocabulary.hpp"

namespace mlforge::mlflow {

inline constexpr std::size_t kMaxKey = 250, kMaxParamValue = 6000, kMaxTagValue = 8000,
                             kMaxExperimentTagValue = 20000, kMaxRegistryTagValue = 100000,
                             kMaxExperimentName = 500, kMaxAlias = 255;

// Characters of a UTF-8 text.
std::size_t length(std::string_view text);
// Its first `most` characters.
std::string_view first(std::string_view text, std::size_t most);

// An error whose sentence stands for itself.
Error refuse(std::string message, std::string field = {});

// Whether check_key and check_length of any path and of kMaxKey pass at a glance, as for nearly all
// keys. False says nothing.
bool is_plain_key(std::string_view key);
// A key of a metric, a param or a tag; `path` names it, such as "metrics[3].name".
Status check_key(std::string_view path, std::string_view key);
Status check_length(std::string_view what, std::size_t most, std::string_view text);
Status check_experiment_name(std::string_view name);
Status check_model_name(std::string_view name);
Status check_alias(std::string_view alias);
// The same of one that is asked for: "latest" and "v1" are no aliases, but words.
Status check_alias_words(std::string_view alias);
Status check_tags(const Texts& tags, std::size_t most_value);

// The members of `wanted` that `old` lacks or has with another value.
inline Texts changes(const Texts& old, const Texts& wanted) {
  Texts changed;
  for (const auto& [key, value] : wanted) {
    const auto at = old.find(key);
    if (at == old.end() || at->second != value) changed.emplace(key, value);
  }
  return changed;
}

}  // namespace mlforge::mlflow
