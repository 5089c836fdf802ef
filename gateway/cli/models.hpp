// What `models` and the short commands share.
#pragma once
#include "gateway/cli/session.hpp"

namespace mlforge::gateway::cli {

struct PromoteOptions {
  std::string model;    // empty: the only one
  std::string version;  // number or alias; empty: the challenger
  std::string metric = "auc", reason;
  std::optional<double> min_delta;
};
// 5: refused, with the figures on stdout.
int promote_model(const Session& s, const PromoteOptions& options);
void add_promote_options(CLI::App& command, PromoteOptions& options);

// The name of the only model; an error lists them where there are several.
Expected<std::string> only_model(Api& api);

// Without a model: a version of the only one, from the best run of the only experiment.
struct RegisterOptions {
  std::string model;
  std::string description;
  std::string run;  // a version is made of its artifacts and figures; empty: no version
  std::string experiment, metric = "validation_auc";  // instead of `run`: the best of these
};
int register_model(const Session& s, const RegisterOptions& options);
void add_register_options(CLI::App& command, RegisterOptions& options);

}  // namespace mlforge::gateway::cli
