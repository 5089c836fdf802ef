#include "gateway/cli/reference.hpp"

#include <fmt/format.h>

#include "gateway/config.hpp"

namespace mlforge::gateway::cli {
namespace {

constexpr std::string_view kCliHead = R"(# The command line

One program, `mlforge`: it serves, and it asks a server. This page is printed by `mlforge reference cli`;
every command has the same text under `--help`.

- **Streams.** Data goes to stdout, messages and progress go to stderr. `--json` answers in JSON: for commands
  that ask a server, its answer as it came ([api.md](api.md)); `events` prints one event a line. An error under
  `--json` is `{"error": {"code", "message", "field"}}` on stderr. Colours and progress bars appear on a terminal only;
  `NO_COLOR` turns colours off.
- **Server.** `--server URL`, else `MLFORGE_URL`, else `http://127.0.0.1:$API_PORT` (8000 where that is not set).
- **Who did it.** Commands that write tell the server who asks: `MLFORGE_ACTOR`, else the user's login name. It stands in the events.
- **As of.** Commands that read take `--as-of`, a log position or an RFC 3339 time, and answer as it stood then.
- **Settings** of `serve`, `demo`, `verify`, `rebuild` and `doctor` are in [configuration.md](configuration.md).

| exit code | meaning |
|---|---|
| 0 | it went well |
| 1 | it failed: no server answers, a pipeline run failed, the server has an error |
| 2 | usage: unknown command or flag, a wrong value, a wrong configuration |
| 3 | not found |
| 4 | not allowed |
| 5 | conflict: it exists already, the state does not allow it, a promotion was refused |
| 6 | findings: a damaged log, failed checks or gates, drift, something for `doctor` |
)";

constexpr std::string_view kConfigurationHead = R"(# Configuration

`mlforge serve` starts without any. Values come from four places, later ones win:

1. the defaults below,
2. one YAML file, named by `--config FILE` or `MLFORGE_CONFIG`,
3. the environment: `MLFORGE_` and the name in capitals, and the short names below (where both are set, `MLFORGE_*` wins),
4. flags: `--` and the name with dashes; `--data` is short for `--data-dir`.

`mlforge serve --print-config` shows what holds and where each value comes from; its output is a valid file. This page is printed by
`mlforge reference configuration`.

A key that is not in the table, a key given twice, a wrong type and a value out of range are refused, with file and line, or with the
name of the variable or flag; the exit code is 2. An empty variable counts as not set. Lists are YAML lists in the file and separated by commas elsewhere.

```yaml
listen: 0.0.0.0:8000
allowed_hosts: [ml.example.org]
psi_threshold: 0.25
```

`listen` on anything but loopback opens the server to the network: it has no accounts of its own, so put a proxy with authentication in front.

)";

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string range_of(const Setting& setting) {
  const bool number = std::holds_alternative<double Config::*>(setting.member) ||
                      std::holds_alternative<std::uint64_t Config::*>(setting.member);
  return number ? fmt::format(" ({} to {})", setting.minimum, setting.maximum) : "";
}

void append_commands(const CLI::App& app, const std::string& path, std::string& out) {
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  for (const auto* child : children) {
    const auto name = path + " " + child->get_name();
    const bool has_more = !child->get_subcommands([](const CLI::App*) { return true; }).empty();
    const bool is_command =
        !child->get_options([](const CLI::Option* o) { return o->get_positional(); }).empty();
    if (has_more && !is_command) {
      out += fmt::format("\n## {}\n\n{}.\n", name, child->get_description());
      append_commands(*child, name, out);
      continue;
    }
    out += fmt::format("\n{} {}\n\n", app.get_parent() ? "###" : "##", name);
    out += "```\n" + child->help(path) + "```\n";
    if (has_more) append_commands(*child, name, out);
  }
}

}  // namespace

std::string cli_reference(const CLI::App& root) {
  std::string out(kCliHead);
  append_commands(root, root.get_name(), out);
  return out;
}

std::string configuration_reference() {
  std::string out(kConfigurationHead);
  out += "| name | default | type | environment | meaning |\n|---|---|---|---|---|\n";
  const Config defaults;
  for (const auto& each : settings()) {
    std::string variables = "`" + each.env() + "`";
    if (!each.short_env.empty()) variables += ", `" + std::string(each.short_env) + "`";
    out += fmt::format("| `{}` | `{}` | {}{} | {} | {} |\n", each.name, each.text(defaults),
                       each.type(), range_of(each), variables, cell(each.help));
  }
  return out;
}

}  // namespace mlforge::gateway::cli
