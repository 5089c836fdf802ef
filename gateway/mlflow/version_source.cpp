#include "gateway/mlflow/version_source.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/request_names.hpp"

namespace mlforge::gateway::mlflow {
namespace version_source_local {
namespace {

constexpr int kMostHops = 16;
constexpr const char* kPromptTag = "mlflow.prompt.is_prompt";

Error refuse(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), "source"};
}

Error invalid_source(const std::string& source, const std::string& why) {
  return refuse("Invalid model version source: '" + source + "'. " + why);
}

Error not_inside(const std::string& source, const char* parameter) {
  return invalid_source(source, std::string("The ") + parameter +
                                    " request parameter must identify the resource that contains "
                                    "the source.");
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

struct Uri {
  std::string scheme, authority, path;  // path without query and fragment
};

Uri split(const std::string& text) {
  Uri uri;
  std::string_view rest = text;
  const auto colon = rest.find(':');
  const bool has_scheme =
      colon != rest.npos && colon > 0 &&
      std::all_of(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '+' ||
               c == '-' || c == '.';
      });
  if (has_scheme) {
    uri.scheme = lower(rest.substr(0, colon));
    rest.remove_prefix(colon + 1);
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const auto end = std::min(rest.find_first_of("/?#"), rest.size());
    uri.authority = lower(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  uri.path = rest.substr(0, rest.find_first_of("?#"));
  return uri;
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    if (end > at) out.push_back(fully_unquoted(path.substr(at, end - at)));
    at = end + 1;
  }
  return out;
}

bool is_local(const Uri& uri) { return uri.scheme.empty() || uri.scheme == "file"; }

bool is_within(const std::string& source, const std::string& root) {
  const auto a = split(source), b = split(root);
  const auto inner = parts_of(a.path), outer = parts_of(b.path);
  return a.scheme == b.scheme && a.authority == b.authority && !outer.empty() &&
         inner.size() >= outer.size() && std::equal(outer.begin(), outer.end(), inner.begin());
}

// mlflow-artifacts:/..., and the same through the server's own URLs.
bool is_proxied(const std::string& source) {
  const auto uri = split(source);
  if (uri.scheme == "mlflow-artifacts") return true;
  if (uri.scheme != "http" && uri.scheme != "https") return false;
  const auto parts = parts_of(uri.path);
  const std::vector<std::string> route{"api", "2.0", "mlflow-artifacts", "artifacts"};
  return std::search(parts.begin(), parts.end(), route.begin(), route.end()) != parts.end();
}

// An absolute path without "." and "..", whatever it was encoded with.
Status check_plain(const std::string& source) {
  const auto bad = invalid_source(
      source,
      "If supplying a source as an http, https, local file path, ftp, objectstore, or "
      "mlflow-artifacts uri, an absolute path must be provided without relative path references "
      "present. Please provide an absolute path.");
  const auto plain = fully_unquoted(source);
  if (plain.find('\0') != plain.npos) return bad;
  for (const auto& part : parts_of(plain))
    if (part == ".." || part == ".") return bad;
  if (!split(plain).path.starts_with('/')) return bad;
  return {};
}

// A path on the clients' machines: below the root of what it is said to belong to.
Status check_local(const std::string& source, const std::optional<std::string>& root,
                   const char* parameter) {
  namespace fs = std::filesystem;
  const auto path = fs::path(fully_unquoted(split(source).path)).lexically_normal();
  if (root && is_local(split(*root))) {
    const auto outer = fs::path(fully_unquoted(split(*root).path)).lexically_normal();
    const auto [end, rest] = std::mismatch(outer.begin(), outer.end(), path.begin(), path.end());
    if (end == outer.end()) return {};
  }
  return invalid_source(
      source, std::string("To use a local path as a model version source, the ") + parameter +
                  " request parameter has to be specified and the local path has to be contained "
                  "within the artifact directory of the run specified by the " +
                  parameter + ".");
}

// The artifact root of the run or the logged model that the version is said to come from.
Expected<std::optional<std::string>> root_of(const QueryContext& q, const NewVersion& v) {
  if (!v.model_id.empty()) {
    const auto model = projections::find_logged_model(q.reader, kTenant, v.model_id, q.as_of);
    if (!model || model->deleted) return not_inside(v.source, "model_id");
    return std::optional(model->artifact_uri);
  }
  if (v.run_id.empty()) return std::optional<std::string>();
  const auto run = find_run(q, v.run_id);
  if (!run && run.error().code == ErrorCode::not_found) return not_inside(v.source, "run_id");
  if (!run) return run.error();
  return std::optional(run_artifact_uri(run->row));
}

bool names_host(const Uri& uri) {
  if (uri.scheme == "mlflow-artifacts") return !uri.authority.empty();
  for (const char* scheme : {"ftp", "sftp", "hdfs", "viewfs", "http", "https", "r2", "b2", "abfss"})
    if (uri.scheme == scheme) return true;
  return false;
}

// A file: URI of another machine; MLflow's server fails on it, and its tests ask for just that.
Status check_file_host(const std::string& source, const Uri& uri) {
  const auto& host = uri.authority;
  if (uri.scheme != "file" || host.empty() || host == "." || host.starts_with("localhost") ||
      host.find("127.0.0.1") != host.npos)
    return {};
  return Error{
      ErrorCode::internal,
      source +
          " is not a valid remote uri. For remote access on windows, please consider using "
          "a different scheme such as SMB (e.g. smb://<hostname>/<path>).",
      "source"};
}

// On a host that is named in the URI: only where the run or the logged model keeps its files.
Status check_host(const QueryContext& q, const NewVersion& v, const Uri& uri) {
  const auto root = root_of(q, v);
  if (root && *root && is_within(v.source, **root)) return check_plain(v.source);
  return refuse("'source' cannot use the '" + uri.scheme + "' scheme: the '" + uri.scheme +
                "' scheme addresses a host other than the tracking server's configured artifact "
                "storage, and the source is not below the artifact location of the run or the "
                "logged model that it is said to come from.");
}

Status check_source(const QueryContext& q, const NewVersion& v) {
  const char* parameter = v.model_id.empty() ? "run_id" : "model_id";
  const auto uri = split(v.source);
  if (auto bad = check_file_host(v.source, uri)) return bad;
  if (names_host(uri)) return check_host(q, v, uri);
  const bool rooted = is_local(uri) || is_proxied(v.source);
  auto root = rooted ? root_of(q, v) : Expected<std::optional<std::string>>(std::nullopt);
  if (!root) return root.error();
  if (is_local(uri)) return check_local(v.source, *root, parameter);
  if (auto bad = check_plain(v.source)) return bad;
  const auto parts = parts_of(uri.path);
  if (uri.scheme == "runs") {
    const bool same = v.model_id.empty() && uri.authority.empty() && !parts.empty() &&
                      !v.run_id.empty() && parts.front() == v.run_id;
    return same ? Status() : not_inside(v.source, parameter);
  }
  if (uri.scheme == "models") {
    if (!uri.authority.empty()) return not_inside(v.source, "model_id");
    const bool logged = parts.size() == 1 && parts.front().find('@') == std::string::npos;
    if (logged && parts.front() != v.model_id) return not_inside(v.source, "model_id");
    return {};
  }
  if (!is_proxied(v.source)) return {};
  if (*root && is_within(v.source, **root)) return {};
  return not_inside(v.source, parameter);
}

// The version that models:/<name>/<version or stage> or models:/<name>@<alias> names.
Expected<ModelVersionRow> named_version(const QueryContext& q, const std::string& source,
                                        const std::vector<std::string>& parts) {
  const auto at = parts.front().rfind('@');
  const bool by_alias = parts.size() == 1;
  const std::string name = by_alias ? parts.front().substr(0, at) : parts.front();
  const std::string which = by_alias ? parts.front().substr(at + 1) : parts.back();
  const auto model = find_model(q, name);
  if (!model) return model.error();
  if (model->tags.contains(kPromptTag))
    return invalid_source(source, "Prompt versions cannot be used as model version sources.");
  if (by_alias) {
    const auto found = model->aliases.find(which);
    if (found != model->aliases.end()) return find_version(q, name, found->second);
    return refuse("Registered model alias " + which + " not found.");
  }
  if (which.find_first_not_of("0123456789") == which.npos && which.size() < 19)
    return find_version(q, name, std::stoull(which));
  auto rows = versions_of(q, name);
  for (auto& row : rows)
    if (lower(which) == "latest" || lower(which) == lower(row.stage)) return std::move(row);
  return Error{ErrorCode::not_found,
               "No versions of model with name '" + name + "' and stage '" + which + "' found",
               "source"};
}

Status keep_location(NewVersion& v, Expected<std::string> location) {
  if (!location) return location.error();
  v.storage_location = *std::move(location);
  return {};
}

Status check_prompt(const std::string& source) {
  if (source == "prompt-template" || source == "dummy-source") return {};
  return refuse("Invalid prompt source: '" + source +
                "'. Prompt sources must use an MLflow placeholder.");
}

}  // namespace
}  // namespace version_source_local

Expected<std::string> download_uri(const QueryContext& q, const std::string& name,
                                   std::uint64_t version) {
  using namespace version_source_local;
  auto row = find_version(q, name, version);
  if (!row) return row.error();
  if (!row->storage_location.empty()) return row->storage_location;
  std::string source = row->source;
  for (int hop = 0; hop < kMostHops; ++hop) {
    std::string_view rest = source;
    if (!rest.starts_with("models:/")) return source;
    rest.remove_prefix(8);
    while (rest.starts_with('/')) rest.remove_prefix(1);
    const auto slash = rest.rfind('/');
    if (slash == rest.npos) {
      const auto model = projections::find_logged_model(q.reader, kTenant, rest, q.as_of);
      return model ? model->artifact_uri : source;
    }
    const std::string number(rest.substr(slash + 1));
    auto next = find_version(q, std::string(rest.substr(0, slash)),
                             std::strtoull(number.c_str(), nullptr, 10));
    if (!next) return source;
    source = next->source;
  }
  return source;
}

Status resolve_source(const QueryContext& q, const GivenIds& given, NewVersion& v) {
  using namespace version_source_local;
  const auto prompt = v.tags.find(kPromptTag);
  if (prompt != v.tags.end() && lower(prompt->second) == "true") return check_prompt(v.source);
  const auto uri = split(v.source);
  const auto parts = parts_of(uri.path);
  const bool registered = uri.scheme == "models" && !parts.empty() && parts.size() <= 2 &&
                          (parts.size() == 2 || parts.front().find('@') != std::string::npos);
  if (registered) {
    if (!uri.authority.empty())
      return invalid_source(v.source,
                            "Registered model sources must use the active model registry.");
    const auto row = named_version(q, v.source, parts);
    if (!row) return row.error();
    if ((given.run_id && v.run_id != row->run_id) ||
        (given.model_id && v.model_id != row->model_id))
      return invalid_source(v.source,
                            "The run_id and model_id request parameters must match the referenced "
                            "model version.");
    v.source = "models:/" + row->model + "/" + std::to_string(row->version);
    v.run_id = row->run_id;
    v.model_id = row->model_id;
    return keep_location(v, download_uri(q, row->model, row->version));
  }
  if (auto bad = check_source(q, v)) return bad;
  if (uri.scheme != "models") return {};
  const auto model = projections::find_logged_model(q.reader, kTenant, v.model_id, q.as_of);
  return keep_location(v, model ? model->artifact_uri : std::string());
}

}  // namespace mlforge::gateway::mlflow
