// Settings: precedence, and what is refused with which words.
#include <catch2/catch.hpp>

#include <cmath>
#include <set>

#include "gateway/config.hpp"
#include "gateway/http/server.hpp"
#include "tests/gateway/cli_support.hpp"

namespace config_tests {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::test;

namespace {

using Flags = std::vector<std::pair<std::string, std::string>>;

Expected<LoadedConfig> load(const std::string& file, const Env& env = {}, const Flags& flags = {},
                            bool nats = true) {
  ConfigSources sources;
  sources.file = file;
  sources.environment = [env](const std::string& name) -> std::optional<std::string> {
    const auto at = env.find(name);
    if (at == env.end()) return std::nullopt;
    return at->second;
  };
  sources.flags = flags;
  sources.nats_installed = nats;
  return read_config(sources);
}

std::string origin(const LoadedConfig& loaded, std::string_view name) {
  for (std::size_t i = 0; i < settings().size(); ++i)
    if (settings()[i].name == name) return loaded.origins[i];
  return "no such setting";
}

std::string message(const Expected<LoadedConfig>& loaded) {
  return loaded ? "accepted" : loaded.error().message;
}

}  // namespace

TEST_CASE("the defaults are those that are promised") {
  const auto loaded = load("");
  REQUIRE(loaded);
  const Config& c = loaded->config;
  CHECK(c.data_dir == "./mlforge-data");
  CHECK(c.host() == "127.0.0.1");
  CHECK(c.port() == 8000);
  CHECK(c.nats == "managed");
  CHECK(c.canary_traffic_split == 0.1);
  CHECK(c.psi_threshold == 0.2);
  CHECK(c.ks_pvalue_threshold == 0.05);
  CHECK(c.promotion_min_delta == 0.005);
  CHECK(c.gate_min_auc == 0.85);
  CHECK(c.gate_max_regression == 0.0);
  CHECK(c.drift_window == 1000);
  CHECK(c.log_map_gib == 64);
  CHECK(c.drain_seconds == 10);
  const http::ServerOptions server;
  CHECK(c.max_body_bytes == server.max_body_bytes);
  CHECK(c.max_header_bytes == server.max_header_bytes);
  CHECK(c.max_connections == server.max_connections);
  CHECK(c.max_pending_bytes == server.max_pending_bytes);
  for (const auto& each : loaded->origins) CHECK(each == "default");
  CHECK(load("", {}, {}, false)->config.nats == "off");
}

TEST_CASE("file, environment and flags: the later wins, and each value knows where it is from") {
  const TempFolder folder;
  const auto file = folder.write("m.yaml",
                                 "# settings\npsi_threshold: 0.3\nks_pvalue_threshold: 0.01\n"
                                 "drift_window: 500\nallowed_hosts: [a.example, b.example]\n");
  const auto loaded = load(file,
                           {{"PSI_THRESHOLD", "0.4"},
                            {"MLFORGE_KS_PVALUE_THRESHOLD", "0.02"},
                            {"CANARY_TRAFFIC_SPLIT", "0.5"},
                            {"API_PORT", "8123"},
                            {"MLFORGE_ALLOWED_ORIGINS", "https://x, https://y"}},
                           {{"ks_pvalue_threshold", "0.03"}});
  REQUIRE(loaded);
  const Config& c = loaded->config;
  CHECK(c.drift_window == 500);
  CHECK(c.psi_threshold == 0.4);
  CHECK(c.ks_pvalue_threshold == 0.03);
  CHECK(c.canary_traffic_split == 0.5);
  CHECK(c.listen == "127.0.0.1:8123");
  CHECK(c.allowed_hosts == std::vector<std::string>{"a.example", "b.example"});
  CHECK(c.allowed_origins == std::vector<std::string>{"https://x", "https://y"});
  CHECK(origin(*loaded, "drift_window") == file + ", line 4");
  CHECK(origin(*loaded, "psi_threshold") == "environment, PSI_THRESHOLD");
  CHECK(origin(*loaded, "ks_pvalue_threshold") == "flag --ks-pvalue-threshold");
  CHECK(origin(*loaded, "listen") == "environment, API_PORT");
  CHECK(origin(*loaded, "data_dir") == "default");
}

TEST_CASE("the long name of a variable wins over the short one") {
  const auto loaded = load("", {{"PSI_THRESHOLD", "0.4"},
                                {"MLFORGE_PSI_THRESHOLD", "0.5"},
                                {"API_PORT", "1"},
                                {"MLFORGE_LISTEN", "[::1]:2"}});
  REQUIRE(loaded);
  CHECK(loaded->config.psi_threshold == 0.5);
  CHECK(loaded->config.host() == "::1");
  CHECK(loaded->config.port() == 2);
}

TEST_CASE("an empty file changes nothing") {
  const TempFolder folder;
  CHECK(load(folder.write("empty.yaml", "")));
  CHECK(load(folder.write("comment.yaml", "# nothing\n")));
}

TEST_CASE("what is wrong in a file is named with file and line") {
  const TempFolder folder;
  struct Case {
    std::string text, wanted;
    ErrorCode code;
  };
  const std::vector<Case> cases{
      {"drift_window: 500\npsi_treshold: 0.3\n", "line 2, column 1: psi_treshold is not a setting",
       ErrorCode::unknown_field},
      {"drift_window: 500\n\ndrift_window: 600\n",
       "line 3, column 1: key 'drift_window' is given twice, first in line 1",
       ErrorCode::malformed},
      {"psi_threshold: much\n", "line 1, column 16: psi_threshold must be a finite number",
       ErrorCode::invalid_argument},
      {"psi_threshold: \"0.3\"\n", "line 1, column 16: psi_threshold must be a finite number",
       ErrorCode::invalid_argument},
      {"drift_window: 1.5\n", "line 1, column 15: drift_window must be a whole number",
       ErrorCode::invalid_argument},
      {"allowed_hosts: a.example\n", "line 1, column 16: allowed_hosts must be a list",
       ErrorCode::invalid_argument},
      {"listen: [1]\n", "line 1, column 9: listen must be a text", ErrorCode::invalid_argument},
      {"- a\n- b\n", "line 1, column 1: the document must be a map of settings",
       ErrorCode::invalid_argument},
      {"psi_threshold: 0.3\ncanary_traffic_split: 1.5\n",
       "line 2, column 23: canary_traffic_split must be from 0 to 1, not 1.5",
       ErrorCode::invalid_argument},
      {"psi_threshold: [0.3\n", "line ", ErrorCode::malformed},
  };
  for (const auto& each : cases) {
    CAPTURE(each.text);
    const auto file = folder.write("bad.yaml", each.text);
    const auto loaded = load(file);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == each.code);
    CHECK(message(loaded).find(file + ": " + each.wanted) == 0);
  }
  const auto missing = load((folder.path / "none.yaml").string());
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::invalid_argument);
}

TEST_CASE("what is wrong in the environment or a flag is named with the variable or flag") {
  CHECK(message(load("", {{"PSI_THRESHOLD", "high"}})) ==
        "environment variable PSI_THRESHOLD must be a finite number, not 'high'");
  CHECK(has(message(load("", {{"MLFORGE_PSI_THRESHOLD", "nan"}})), "MLFORGE_PSI_THRESHOLD"));
  CHECK(has(message(load("", {{"API_PORT", "70000"}})), "API_PORT must be a port from 0 to 65535"));
  CHECK(has(message(load("", {{"MLFORGE_DRIFT_WINDOW", "-1"}})), "MLFORGE_DRIFT_WINDOW"));
  CHECK(message(load("", {}, {{"listen", "8000"}})) ==
        "--listen must be HOST:PORT, such as 127.0.0.1:8000 (port 0: a free one), not '8000'");
  CHECK(
      has(message(load("", {}, {{"nats", "localhost"}})), "--nats must be managed, off, or a URL"));
  CHECK(has(message(load("", {}, {{"log_level", "loud"}})), "--log-level must be trace, debug"));
  CHECK(
      has(message(load("", {}, {{"drain_seconds", "4000"}})), "must be from 0 to 3600, not 4000"));
  CHECK(has(message(load("", {}, {{"nothing", "1"}})), "no setting named 'nothing'"));
}

TEST_CASE("addresses to listen on") {
  for (const auto* right : {"127.0.0.1:0", "localhost:8000", "[::1]:65535", "0.0.0.0:1"})
    CHECK(message(load("", {}, {{"listen", right}})) == "accepted");
  for (const auto* wrong : {"", ":8000", "host:", "host:65536", "::1:80", "a b:80", "host:-1"})
    CHECK(message(load("", {}, {{"listen", wrong}})) != "accepted");
}

TEST_CASE("the table names every setting once, and its defaults pass its own checks") {
  std::set<std::string> names;
  Flags flags;
  const Config defaults;
  for (const auto& each : settings()) {
    CHECK(names.insert(std::string(each.name)).second);
    CHECK(names.insert(each.flag()).second);
    CHECK_FALSE(each.help.empty());
    if (!std::holds_alternative<std::vector<std::string> Config::*>(each.member) &&
        !std::holds_alternative<std::map<std::string, std::string> Config::*>(each.member))
      flags.emplace_back(each.name, each.text(defaults));
  }
  const auto loaded = load("", {}, flags);
  CHECK(message(loaded) == "accepted");
  CHECK(find_setting("psi_threshold")->env() == "MLFORGE_PSI_THRESHOLD");
  CHECK(find_setting("psi_threshold")->flag() == "--psi-threshold");
  CHECK(find_setting("nothing") == nullptr);
}

}  // namespace config_tests
