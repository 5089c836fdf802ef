// The settings of a server: one table of them, and the values that hold.
//
// Precedence, later wins: default, YAML file, environment, flags.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "events/error.hpp"

namespace mlforge::gateway {

// The values are the defaults. What they mean stands in settings().
struct Config {
  std::string data_dir = "./mlforge-data";
  std::string listen = "127.0.0.1:8000";
  std::string nats = "managed";  // read_config() makes it "off" where nats-server is missing

  std::string default_artifact_root;   // empty: the server's own, mlflow-artifacts:/
  std::string artifacts_destination;   // empty: blobs in the data folder
  std::string serve_artifacts = "on";  // on, off
  std::string mlflow_ui;               // empty: MLflow's web pages are not served

  double canary_traffic_split = 0.1;
  double psi_threshold = 0.2;
  double ks_pvalue_threshold = 0.05;
  std::uint64_t drift_window = 1000;
  double promotion_min_delta = 0.005;
  double gate_min_auc = 0.85;
  double gate_max_regression = 0.0;

  std::uint64_t max_body_bytes = 8 << 20;
  std::uint64_t max_header_bytes = 16 << 10;
  std::uint64_t max_connections = 1024;
  std::uint64_t max_pending_bytes = 64 << 20;
  std::uint64_t idle_timeout_seconds = 60;
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> allowed_origins;

  std::vector<std::string> webhook_allowed_hosts;
  std::string webhook_ca_file;
  std::string lineage_file;
  std::string lineage_url;
  std::string lineage_namespace = "mlforge";
  std::string lineage_schema_url;

  std::string log_level = "info";
  std::uint64_t log_map_gib = 64;
  std::uint64_t drain_seconds = 10;

  std::uint64_t archive_after_events = 0;
  std::string archive_after = "never";
  std::map<std::string, std::string> retention;

  std::string host() const;    // of `listen`, without the brackets of an IPv6 address
  std::uint16_t port() const;  // of `listen`; 0: the system chooses a free one
};

// One row of the table. The key of the YAML file is `name`, the environment variable
// MLFORGE_<NAME>, the flag --<name> with dashes.
struct Setting {
  using Member = std::variant<std::string Config::*, double Config::*, std::uint64_t Config::*,
                              std::vector<std::string> Config::*,
                              std::map<std::string, std::string> Config::*>;
  std::string_view name;
  Member member;
  std::string_view help;
  double minimum = 0, maximum = 0;  // of a number, both inclusive
  // Of a text, or of "key=value" of each entry of a map: what would be right, as the end of "must
  // be ..."; empty when it is right.
  std::string_view (*wanted)(std::string_view) = nullptr;
  std::string_view short_env = {};   // another variable of the same meaning; MLFORGE_* wins
  std::string_view short_flag = {};  // another flag, without its dashes
  bool is_switch = false;            // on or off: the flags --<name> and --no-<name>

  std::string env() const;        // "MLFORGE_PSI_THRESHOLD"
  std::string flag() const;       // "--psi-threshold"
  std::string_view type() const;  // of its value, in words
  std::string_view kind() const;  // the same for a line of help: TEXT, NUMBER, N, LIST
  std::string text(const Config& config) const;  // its value as a YAML scalar or list
};

std::span<const Setting> settings();
const Setting* find_setting(std::string_view name);

// Where values come from besides the defaults.
struct ConfigSources {
  std::string file;  // path of the YAML file; empty: none
  std::function<std::optional<std::string>(const std::string&)> environment;  // empty: none
  std::vector<std::pair<std::string, std::string>> flags;  // by name of the setting, as text
  bool nats_installed = true;  // whether nats-server is there, for the default of `nats`
};

struct LoadedConfig {
  Config config;
  std::vector<std::string> origins;  // one for each of settings(): "default", "FILE, line 3", ...
};

// The environment of this process.
std::optional<std::string> process_environment(const std::string& name);

// Errors name the place and say what would be right: not_found (the file), malformed,
// unknown_field, invalid_argument ("FILE: line 3, column 1: ...", "environment variable X ...",
// "--flag ...").
Expected<LoadedConfig> read_config(const ConfigSources& sources);

}  // namespace mlforge::gateway
