#include "gateway/config.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "actors/pipeline_yaml.hpp"
#include "events/retention.hpp"

namespace mlforge::gateway {
namespace {

using actors::YamlNode;
using Strings = std::vector<std::string>;
using TextMap = std::map<std::string, std::string>;

template <class T>
bool parse_whole(std::string_view text, T& out) {
  const auto* end = text.data() + text.size();
  const auto [at, failed] = std::from_chars(text.data(), end, out);
  return failed == std::errc{} && at == end;
}

std::string number_text(double value) {
  std::array<char, 32> buffer;
  const auto done = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), done.ptr};
}

// "host:port", the host of an IPv6 address in brackets.
std::optional<std::pair<std::string_view, std::uint16_t>> split_listen(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  auto host = text.substr(0, colon);
  const bool bracketed = host.front() == '[' && host.back() == ']' && host.size() > 2;
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find_first_of(":[]") != std::string_view::npos) return std::nullopt;
  if (host.find_first_of(" /\t") != std::string_view::npos) return std::nullopt;
  std::uint16_t port = 0;
  if (!parse_whole(text.substr(colon + 1), port)) return std::nullopt;
  return std::pair{host, port};
}

std::string_view wanted_text(std::string_view text) { return text.empty() ? "a path" : ""; }
std::string_view wanted_listen(std::string_view text) {
  return split_listen(text) ? "" : "HOST:PORT, such as 127.0.0.1:8000 (port 0: a free one)";
}
std::string_view wanted_nats(std::string_view text) {
  const bool right = text == "managed" || text == "off" ||
                     (text.starts_with("nats://") && text.size() > 7) ||
                     (text.starts_with("tls://") && text.size() > 6);
  return right ? "" : "managed, off, or a URL such as nats://127.0.0.1:4222";
}
std::string_view wanted_level(std::string_view text) {
  for (const std::string_view each : {"trace", "debug", "info", "warn", "error", "off"})
    if (text == each) return "";
  return "trace, debug, info, warn, error or off";
}

std::string_view wanted_age(std::string_view text) {
  return text == "never" || parse_duration(text) ? ""
                                                 : "never, or a duration such as 12h, 30d or 1y";
}
std::string_view wanted_retention(std::string_view text) {
  const auto equal = text.find('=');
  if (equal == std::string_view::npos || !parse_duration(text.substr(equal + 1)))
    return "kinds with durations, such as {predictions: 30d}";
  return check_retention_kind(text.substr(0, equal))
             ? "of kinds that no state is folded from: predictions"
             : "";
}
std::string_view wanted_lineage_url(std::string_view text) {
  const bool right = text.empty() || text.starts_with("http://") || text.starts_with("https://");
  return right ? "" : "an http:// or https:// URL";
}
std::string_view wanted_base_url(std::string_view text) {
  return !wanted_lineage_url(text).empty() || text.ends_with('/') ||
                 text.find_first_of("?#") != text.npos
             ? "an http:// or https:// URL without a slash at its end"
             : "";
}
std::string_view wanted_name(std::string_view text) { return text.empty() ? "a name" : ""; }

std::string_view wanted_switch(std::string_view text) {
  return text == "on" || text == "off" ? "" : "on or off";
}
std::string_view wanted_root(std::string_view text) {
  const bool right = text.empty() || text.starts_with('/') || text.find(":/") != text.npos;
  return right && text.find_first_of("?#") == text.npos
             ? ""
             : "an absolute path or a URI, such as file:///srv/artifacts or s3://bucket/path";
}
std::string_view wanted_folder(std::string_view text) {
  const bool right = text.find("://") == text.npos || text.starts_with("file:///");
  return right ? "" : "a local folder, as a path or as file:///path";
}

std::string_view wanted_destination(std::string_view text) {
  const bool right = wanted_folder(text).empty() || text.starts_with("s3://");
  return right ? "" : "a local folder, as a path or as file:///path, or s3://BUCKET/PREFIX";
}

constexpr std::array kSettings{
    Setting{"data_dir", &Config::data_dir, "folder of the log, the blobs and the read models", 0, 0,
            wanted_text, "", "data"},
    Setting{"listen", &Config::listen,
            "HOST:PORT to listen on; port 0 takes a free one (API_PORT sets the port alone)", 0, 0,
            wanted_listen},
    Setting{"nats", &Config::nats,
            "managed (a nats-server of our own; the default where it is installed), the URL of a "
            "server, or off",
            0, 0, wanted_nats},
    Setting{"default_artifact_root", &Config::default_artifact_root,
            "where runs of new experiments keep their files, as MLflow's clients see it: a URI; "
            "empty: on this server, mlflow-artifacts:/",
            0, 0, wanted_root},
    Setting{"artifacts_destination", &Config::artifacts_destination,
            "local folder, or s3://BUCKET/PREFIX, for the bytes of artifacts and datasets; empty: "
            "blobs "
            "in the data folder",
            0, 0, wanted_destination},
    Setting{.name = "serve_artifacts",
            .member = &Config::serve_artifacts,
            .help = "whether MLflow's clients upload and download files through this server: on or "
                    "off",
            .wanted = wanted_switch,
            .is_switch = true},
    Setting{"mlflow_ui", &Config::mlflow_ui,
            "folder of MLflow's own web pages, to serve them at /: the built pages, or a Python "
            "environment where the package mlflow is installed; empty: they are not served",
            0, 0, wanted_folder},
    Setting{"canary_traffic_split", &Config::canary_traffic_split,
            "share of requests that go to the challenger, where the endpoint does not say", 0, 1,
            nullptr, "CANARY_TRAFFIC_SPLIT"},
    Setting{"psi_threshold", &Config::psi_threshold,
            "population stability index above which a feature has drifted", 0.0001, 99, nullptr,
            "PSI_THRESHOLD"},
    Setting{"ks_pvalue_threshold", &Config::ks_pvalue_threshold,
            "p-value of the Kolmogorov-Smirnov or chi-squared test below which it is significant",
            0, 1, nullptr, "KS_PVALUE_THRESHOLD"},
    Setting{"drift_window", &Config::drift_window,
            "predictions that are weighed against the training data at a time", 50, 1'000'000},
    Setting{"promotion_min_delta", &Config::promotion_min_delta,
            "by how much a challenger must be better than the champion", 0, 1, nullptr,
            "PROMOTION_MIN_DELTA"},
    Setting{"gate_min_auc", &Config::gate_min_auc, "AUC that a version must have to pass the gate",
            0, 1, nullptr, "GATE_MIN_AUC"},
    Setting{"gate_max_regression", &Config::gate_max_regression,
            "how far a version may fall behind the champion and still pass the gate", 0, 1},
    Setting{"max_body_bytes", &Config::max_body_bytes,
            "largest body of a request that is no upload", 1024, 1 << 30},
    Setting{"max_header_bytes", &Config::max_header_bytes, "largest header of a request", 1024,
            1 << 20},
    Setting{"max_connections", &Config::max_connections, "connections at the same time", 1,
            100'000},
    Setting{"max_pending_bytes", &Config::max_pending_bytes,
            "bodies of all requests in flight; above it, 429", 1 << 20, 1e12},
    Setting{"idle_timeout_seconds", &Config::idle_timeout_seconds,
            "after which a silent connection is closed", 1, 86'400},
    Setting{"allowed_hosts", &Config::allowed_hosts,
            "Host headers that are served besides loopback names and the listening host; * for "
            "every"},
    Setting{"allowed_origins", &Config::allowed_origins,
            "Origins that browsers may call from besides the server's own; * for every"},
    Setting{"webhook_allowed_hosts", &Config::webhook_allowed_hosts,
            "hosts, *.suffixes, addresses or ranges (10.0.0.0/8) that webhooks may lead to besides "
            "public addresses; * for every"},
    Setting{"webhook_ca_file", &Config::webhook_ca_file,
            "PEM file of the authorities that https webhooks are checked against; empty: the "
            "system's"},
    Setting{"lineage_file", &Config::lineage_file,
            "file that OpenLineage run events are appended to, one a line; empty: none"},
    Setting{"lineage_url", &Config::lineage_url,
            "URL that OpenLineage run events are posted to, such as "
            "http://127.0.0.1:5000/api/v1/lineage; empty: none",
            0, 0, wanted_lineage_url},
    Setting{"lineage_namespace", &Config::lineage_namespace,
            "namespace of the jobs and datasets in OpenLineage run events", 0, 0, wanted_name},
    Setting{"lineage_schema_url", &Config::lineage_schema_url,
            "URL of this server as readers of its lineage reach it, such as "
            "https://ml.example.org, for the schemas of its facets; empty: where it listens",
            0, 0, wanted_base_url},
    Setting{"log_level", &Config::log_level, "trace, debug, info, warn, error or off", 0, 0,
            wanted_level},
    Setting{"log_map_gib", &Config::log_map_gib,
            "GiB of address space for the log: the most that it may grow to", 1, 65'536},
    Setting{"drain_seconds", &Config::drain_seconds,
            "how long requests in flight may take to end at a shutdown", 0, 3600},
    Setting{"archive_after_events", &Config::archive_after_events,
            "bodies of all but so many of the newest events move into compressed segments; 0: no "
            "such rule",
            0, 1e15},
    Setting{"archive_after", &Config::archive_after,
            "bodies of events that are older move into compressed segments: 12h, 30d, 1y, or never",
            0, 0, wanted_age},
    Setting{"retention", &Config::retention,
            "how long payloads are kept, by kind of stream, before they are dropped for ever: "
            "{predictions: 30d}",
            0, 0, wanted_retention},
};

Status check_range(const Setting& setting, double value) {
  if (value >= setting.minimum && value <= setting.maximum) return {};
  return Error{ErrorCode::invalid_argument,
               "must be from " + number_text(setting.minimum) + " to " +
                   number_text(setting.maximum) + ", not " + number_text(value),
               std::string(setting.name)};
}

Status check(const Setting& setting, const Config& config) {
  if (const auto* text = std::get_if<std::string Config::*>(&setting.member)) {
    const auto& value = config.*(*text);
    const auto wanted = setting.wanted ? setting.wanted(value) : std::string_view();
    if (wanted.empty()) return {};
    return Error{ErrorCode::invalid_argument,
                 "must be " + std::string(wanted) + ", not '" + value + "'",
                 std::string(setting.name)};
  }
  if (const auto* map = std::get_if<TextMap Config::*>(&setting.member)) {
    for (const auto& [key, value] : config.*(*map))
      if (const auto wanted = setting.wanted(key + "=" + value); !wanted.empty())
        return Error{ErrorCode::invalid_argument,
                     "must be " + std::string(wanted) + ", not '" + key + "=" + value + "'",
                     std::string(setting.name)};
    return {};
  }
  if (const auto* number = std::get_if<double Config::*>(&setting.member))
    return check_range(setting, config.*(*number));
  if (const auto* number = std::get_if<std::uint64_t Config::*>(&setting.member))
    return check_range(setting, static_cast<double>(config.*(*number)));
  return {};
}

Strings split_list(std::string_view text) {
  Strings out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    auto part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const auto first = part.find_first_not_of(' ');
    if (first == std::string_view::npos) continue;
    out.emplace_back(part.substr(first, part.find_last_not_of(' ') - first + 1));
  }
  return out;
}

Status assign(const Setting& setting, const std::string& text, Config& config) {
  const auto wrong = [&](std::string_view wanted) {
    return Error{ErrorCode::invalid_argument,
                 "must be " + std::string(wanted) + ", not '" + text + "'",
                 std::string(setting.name)};
  };
  if (const auto* member = std::get_if<std::string Config::*>(&setting.member)) {
    config.*(*member) = text;
  } else if (const auto* list = std::get_if<Strings Config::*>(&setting.member)) {
    config.*(*list) = split_list(text);
  } else if (const auto* map = std::get_if<TextMap Config::*>(&setting.member)) {
    auto& entries = config.*(*map);
    entries.clear();
    for (const auto& part : split_list(text)) {
      const auto equal = part.find('=');
      if (equal == std::string::npos) return wrong("KEY=VALUE pairs, separated by commas");
      entries[part.substr(0, equal)] = part.substr(equal + 1);
    }
  } else if (const auto* number = std::get_if<double Config::*>(&setting.member)) {
    if (!parse_whole(text, config.*(*number)) || !std::isfinite(config.*(*number)))
      return wrong("a finite number");
  } else {
    const auto whole = std::get<std::uint64_t Config::*>(setting.member);
    if (!parse_whole(text, config.*whole)) return wrong("a whole number from 0 on");
  }
  return check(setting, config);
}

class Loader {
 public:
  explicit Loader(const ConfigSources& sources) : sources_(sources) {
    loaded_.origins.assign(kSettings.size(), "default");
    if (!sources.nats_installed) loaded_.config.nats = "off";
  }

  Expected<LoadedConfig> run() {
    if (auto bad = read_file()) return *std::move(bad);
    if (auto bad = read_environment()) return *std::move(bad);
    if (auto bad = read_flags()) return *std::move(bad);
    return std::move(loaded_);
  }

 private:
  Status read_file() {
    if (sources_.file.empty()) return {};
    std::error_code failed;
    if (std::filesystem::is_directory(sources_.file, failed))
      return Error{ErrorCode::invalid_argument,
                   "the configuration file " + sources_.file + " is a folder; name a YAML file",
                   "config"};
    std::ifstream in(sources_.file, std::ios::binary);
    std::ostringstream text;
    if (!in || !(text << in.rdbuf() || in.peek() == std::ifstream::traits_type::eof()))
      return Error{ErrorCode::invalid_argument,
                   "cannot read the configuration file " + sources_.file, "config"};
    const auto root = actors::parse_yaml(text.str());
    Status bad = root ? apply(*root) : Status(root.error());
    if (bad) bad->message = sources_.file + ": " + bad->message;
    return bad;
  }

  Status apply(const YamlNode& root) {
    if (root.kind == YamlNode::Kind::null) return {};
    if (root.kind != YamlNode::Kind::map)
      return actors::yaml::wrong_type(root, "", "a map of settings");
    for (const auto& entry : root.entries) {
      const auto* setting = find_setting(entry.key);
      if (!setting) return unknown(entry);
      auto bad = std::visit(
          [&](auto m) { return actors::yaml::read(entry.value, entry.key, loaded_.config.*m); },
          setting->member);
      if (bad) return bad;
      if (const auto wrong = check(*setting, loaded_.config))
        return actors::yaml_fault(entry.value, entry.key, wrong->message);
      origin(*setting) = sources_.file + ", line " + std::to_string(entry.line);
    }
    return {};
  }

  static Status unknown(const actors::YamlEntry& entry) {
    std::string names;
    for (const auto& each : kSettings)
      names += (names.empty() ? "" : ", ") + std::string(each.name);
    return actors::yaml_fault(entry.line, entry.column, ErrorCode::unknown_field, entry.key,
                              "is not a setting; the settings are " + names);
  }

  Status read_environment() {
    if (!sources_.environment) return {};
    if (auto bad = read_api_port()) return bad;
    for (const auto& setting : kSettings) {
      if (!setting.short_env.empty())
        if (auto bad = read_variable(setting, std::string(setting.short_env))) return bad;
      if (auto bad = read_variable(setting, setting.env())) return bad;
    }
    return {};
  }

  Status read_variable(const Setting& setting, const std::string& name) {
    const auto value = sources_.environment(name);
    if (!value) return {};
    if (auto bad = assign(setting, *value, loaded_.config))
      return about("environment variable " + name, *bad);
    origin(setting) = "environment, " + name;
    return {};
  }

  Status read_api_port() {
    const auto value = sources_.environment("API_PORT");
    if (!value) return {};
    std::uint16_t port = 0;
    if (!parse_whole(*value, port))
      return Error{
          ErrorCode::invalid_argument,
          "environment variable API_PORT must be a port from 0 to 65535, not '" + *value + "'",
          "listen"};
    auto& listen = loaded_.config.listen;
    listen = listen.substr(0, listen.rfind(':') + 1) + std::to_string(port);
    origin(*find_setting("listen")) = "environment, API_PORT";
    return {};
  }

  Status read_flags() {
    for (const auto& [name, value] : sources_.flags) {
      const auto* setting = find_setting(name);
      if (!setting)
        return Error{ErrorCode::unknown_field, "there is no setting named '" + name + "'", name};
      if (auto bad = assign(*setting, value, loaded_.config)) return about(setting->flag(), *bad);
      origin(*setting) = "flag " + setting->flag();
    }
    return {};
  }

  static Status about(const std::string& place, Error error) {
    error.message = place + " " + error.message;
    return error;
  }

  std::string& origin(const Setting& setting) {
    return loaded_.origins[static_cast<std::size_t>(&setting - kSettings.data())];
  }

  const ConfigSources& sources_;
  LoadedConfig loaded_;
};

}  // namespace

std::string Config::host() const {
  const auto split = split_listen(listen);
  return split ? std::string(split->first) : std::string();
}

std::uint16_t Config::port() const {
  const auto split = split_listen(listen);
  return split ? split->second : std::uint16_t{0};
}

std::string Setting::env() const {
  std::string out = "MLFORGE_";
  for (const char c : name) out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

std::string Setting::flag() const {
  std::string out = "--";
  for (const char c : name) out += c == '_' ? '-' : c;
  return out;
}

std::string_view Setting::type() const {
  constexpr std::array<std::string_view, 5> kNames{"text", "number", "whole number",
                                                   "list of texts", "map of texts"};
  return kNames[member.index()];
}

std::string_view Setting::kind() const {
  constexpr std::array<std::string_view, 5> kNames{"TEXT", "NUMBER", "N", "A,B,...", "K=V,..."};
  return kNames[member.index()];
}

std::string Setting::text(const Config& config) const {
  if (const auto* text = std::get_if<std::string Config::*>(&member)) return config.*(*text);
  if (const auto* number = std::get_if<double Config::*>(&member))
    return number_text(config.*(*number));
  if (const auto* whole = std::get_if<std::uint64_t Config::*>(&member))
    return std::to_string(config.*(*whole));
  std::string out;
  if (const auto* map = std::get_if<TextMap Config::*>(&member)) {
    for (const auto& [key, value] : config.*(*map))
      out += (out.empty() ? "" : ", ") + key + ": \"" + value + "\"";
    return "{" + out + "}";
  }
  for (const auto& each : config.*std::get<Strings Config::*>(member))
    out += (out.empty() ? "" : ", ") + ("\"" + each + "\"");
  return "[" + out + "]";
}

std::span<const Setting> settings() { return kSettings; }

const Setting* find_setting(std::string_view name) {
  for (const auto& each : kSettings)
    if (each.name == name) return &each;
  return nullptr;
}

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (!value || !*value) return std::nullopt;
  return std::string(value);
}

Expected<LoadedConfig> read_config(const ConfigSources& sources) { return Loader(sources).run(); }

}  // namespace mlforge::gateway
