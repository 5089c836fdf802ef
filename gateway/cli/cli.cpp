// From words to a command, and from errors in them to a message that helps.
#include <algorithm>
#include <iostream>

#include "gateway/cli/groups.hpp"

namespace mlforge::gateway::cli {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row.back();
}

std::vector<std::string> commands_below(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* each : app.get_subcommands([](const CLI::App*) { return true; }))
    out.push_back(each->get_name());
  return out;
}

std::string nearest(const CLI::App& app, const std::string& word) {
  std::string best;
  std::size_t least = 3;
  for (const auto& each : commands_below(app)) {
    const auto distance = edit_distance(word, each);
    if (distance >= least || distance >= word.size()) continue;
    least = distance;
    best = each;
  }
  return best;
}

bool takes_words(const CLI::App& app) {
  return !app.get_options([](const CLI::Option* each) { return each->get_positional(); }).empty();
}

// The command that the words lead to, and the first word on the way that names none.
std::pair<CLI::App*, std::string> walk(CLI::App& root, const std::vector<std::string>& args) {
  CLI::App* at = &root;
  for (const auto& word : args) {
    if (commands_below(*at).empty()) break;
    if (word.empty() || word[0] == '-') continue;
    const auto named = at->get_subcommands([&](CLI::App* each) { return each->check_name(word); });
    if (named.empty()) return {at, takes_words(*at) ? "" : word};
    at = named.front();
  }
  return {at, ""};
}

std::string path_of(const CLI::App* app) {
  const auto* parent = app->get_parent();
  return parent ? path_of(parent) + " " + app->get_name() : app->get_name();
}

int usage_error(CLI::App& root, const std::vector<std::string>& args, const std::string& what,
                Session& s) {
  const auto [at, unknown] = walk(root, args);
  std::string message = what;
  if (!unknown.empty()) {
    message = "there is no command '" + path_of(at) + " " + unknown + "'";
    if (const auto best = nearest(*at, unknown); !best.empty())
      message += "; did you mean '" + best + "'?";
  }
  if (unknown.empty() && !commands_below(*at).empty() && !takes_words(*at))
    message = "'" + path_of(at) + "' needs a command: " + join_text(commands_below(*at));
  // CLI11 stopped before it could have set the flag.
  if (std::find(args.begin(), args.end(), "--json") != args.end()) {
    s.json = true;
    return s.fail({ErrorCode::invalid_argument, message, ""});
  }
  s.note(message);
  s.note("see '" + path_of(at) + " --help'");
  return kUsage;
}

int run_action(const Session& s) {
  try {
    const int code = s.action();
    s.io.out.flush();
    if (s.io.out) return code;
    s.note("the answer cannot be written to stdout");
  } catch (const std::exception& e) {
    s.note(std::string("failed: ") + e.what());
  }
  return kFailed;
}

}  // namespace

void build(CLI::App& root, Session& s) {
  root.require_subcommand(1);
  root.set_version_flag("--version", "mlforge " MLFORGE_VERSION);
  root.footer(
      "Data goes to stdout, messages go to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 3 not "
      "found,\n4 not allowed, 5 conflict, 6 findings.\n\nExamples:\n"
      "  mlforge serve --data ./mlforge-data\n"
      "  mlforge run train --pipeline ops/demo/adult.yaml\n"
      "  mlforge events --follow --type 'model.*'");
  add_serve_commands(root, s);
  add_event_commands(root, s);
  add_dataset_commands(root, s);
  add_run_commands(root, s);
  add_pipeline_commands(root, s);
  add_model_commands(root, s);
  add_short_commands(root, s);
  add_deploy_commands(root, s);
  add_drift_commands(root, s);
  add_environment_commands(root, s);
  add_folder_commands(root, s);
  add_archive_commands(root, s);
  add_proof_commands(root, s);
  add_subject_commands(root, s);
  add_subscription_commands(root, s);
  add_transfer_commands(root, s);
  add_copy_commands(root, s);
  add_travel_commands(root, s);
  add_doctor_command(root, s);
  add_version_commands(root, s);
}

int run_cli(const std::vector<std::string>& args, const Io& io) {
  Session session(io);
  CLI::App root("The whole life of machine-learning models, every step an event in one log.",
                "mlforge");
  build(root, session);
  try {
    root.parse(std::vector<std::string>(args.rbegin(), args.rend()));
  } catch (const CLI::CallForHelp&) {
    io.out << root.help();
    return kOk;
  } catch (const CLI::CallForVersion& version) {
    io.out << version.what() << '\n';
    return kOk;
  } catch (const CLI::ParseError& error) {
    return usage_error(root, args, error.what(), session);
  }
  return run_action(session);
}

}  // namespace mlforge::gateway::cli
