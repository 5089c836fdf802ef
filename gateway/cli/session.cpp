#include "gateway/cli/session.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "actors/process.hpp"

namespace mlforge::gateway::cli {
namespace {

// A login name is a text of this system; what cannot stand in a header is left out.
std::string login_name() {
  std::string name;
  if (const passwd* user = getpwuid(geteuid())) name = user->pw_name;
  std::erase_if(name, [](unsigned char c) { return c <= 0x20 || c >= 0x7f; });
  return name.empty() ? "uid-" + std::to_string(geteuid()) : name;
}

}  // namespace

Io process_io() {
  return Io{std::cin,
            std::cout,
            std::cerr,
            isatty(STDOUT_FILENO) == 1,
            isatty(STDERR_FILENO) == 1,
            process_environment};
}

CLI::App* Session::group(CLI::App& parent, const std::string& name,
                         const std::string& description) {
  auto* out = parent.add_subcommand(name, description);
  out->require_subcommand(1);
  return out;
}

CLI::App* Session::command(CLI::App& parent, const std::string& name,
                           const std::string& description, const std::string& examples,
                           std::function<int()> run) {
  auto* out = parent.add_subcommand(name, description);
  out->add_flag("--json", json, "Answer as JSON");
  out->footer("Examples:\n" + examples);
  // Of a command below another both are called, the deeper one first.
  out->callback([this, run = std::move(run)] {
    if (!action) action = run;
  });
  return out;
}

CLI::App* Session::remote(CLI::App& parent, const std::string& name, const std::string& description,
                          const std::string& examples, std::function<int()> run) {
  auto* out = command(parent, name, description, examples, std::move(run));
  out->add_option("--server", server,
                  "URL of the server (MLFORGE_URL; default http://127.0.0.1:$API_PORT)")
      ->type_name("URL");
  return out;
}

std::shared_ptr<ConfigFlags> Session::add_config(CLI::App& command,
                                                 const std::vector<std::string_view>& names) {
  auto flags = std::make_shared<ConfigFlags>();
  command.add_option("--config", flags->file, "YAML file of settings (MLFORGE_CONFIG)")
      ->type_name("FILE");
  for (const auto& setting : settings()) {
    if (!names.empty() && std::find(names.begin(), names.end(), setting.name) == names.end())
      continue;
    std::string spelled = setting.flag();
    if (!setting.short_flag.empty())
      spelled = "--" + std::string(setting.short_flag) + "," + spelled;
    if (setting.is_switch) {
      const auto set = [flags, name = std::string(setting.name)](const char* value) {
        return [flags, name, value](std::int64_t) { flags->values.emplace_back(name, value); };
      };
      command.add_flag_function(spelled, set("on"), std::string(setting.help));
      command.add_flag_function("--no-" + setting.flag().substr(2), set("off"),
                                "The opposite of " + setting.flag());
      continue;
    }
    command
        .add_option_function<std::string>(
            spelled,
            [flags, name = std::string(setting.name)](const std::string& value) {
              flags->values.emplace_back(name, value);
            },
            std::string(setting.help))
        ->type_name(std::string(setting.kind()));
  }
  return flags;
}

Expected<LoadedConfig> Session::load(const ConfigFlags& flags) const {
  ConfigSources sources;
  sources.file = flags.file.empty() ? io.env("MLFORGE_CONFIG").value_or("") : flags.file;
  sources.environment = io.environment;
  sources.flags = flags.values;
  sources.nats_installed = actors::find_program("nats-server").has_value();
  return read_config(sources);
}

std::string Session::url() const {
  if (!server.empty()) return server;
  if (const auto url = io.env("MLFORGE_URL")) return *url;
  return "http://127.0.0.1:" + io.env("API_PORT").value_or("8000");
}

std::string Session::actor() const {
  if (const auto name = io.env("MLFORGE_ACTOR")) return *name;
  return login_name();
}

void Session::note(std::string_view text) const { io.err << "mlforge: " << text << '\n'; }

int Session::fail(const Error& error) const {
  const auto& row = error_row(error.code);
  if (json) {
    std::string out = "{\"error\":{\"code\":\"" + std::string(row.name) + "\",\"message\":";
    append_json_string(out, error.message);
    out += ",\"field\":";
    append_json_string(out, error.field);
    if (const auto id = correlation_id_of(error); !id.empty()) {
      out += ",\"correlation_id\":";
      append_json_string(out, id);
    }
    io.err << out << "}}\n";
  } else {
    note(error.message);
  }
  return row.exit_code;
}

void Session::line(std::string_view text) const {
  io.out << text;
  if (!text.ends_with('\n')) io.out << '\n';
}

void Session::table(const Table& table) const { io.out << table.text(io.color()); }

void Session::facts(const std::vector<std::pair<std::string, std::string>>& facts) const {
  io.out << facts_text(facts);
}

void Session::section(const Table& rows) const {
  if (rows.empty()) return;
  io.out << '\n';
  table(rows);
}

void ListOptions::add_to(CLI::App& command) {
  command.add_option("--limit", limit, "At most this many rows, 1 to 1000")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  command.add_option("--page-token", page_token, "Where the page before ended")->type_name("TOKEN");
  add_as_of(command, as_of);
}

Query ListOptions::query() const {
  Query out;
  out.add("limit", std::to_string(limit)).add("page_token", page_token).add("as_of", as_of);
  return out;
}

CLI::Validator from_one() {
  const auto check = [](std::string& text) {
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
    if (digits && text.find_first_not_of('0') != text.npos) return std::string();
    return "must be a whole number from 1 on, not '" + text + "'";
  };
  return CLI::Validator(check, "POSITIVE");
}

void add_as_of(CLI::App& command, std::string& as_of) {
  command
      .add_option("--as-of", as_of, "Answer as it stood then: a log position or an RFC 3339 time")
      ->type_name("WHEN");
}

}  // namespace mlforge::gateway::cli
