// Files of runs and logged models, copied into the server's store.
#include <algorithm>
#include <fstream>

#include "gateway/cli/import_mlflow_copy.hpp"
#include "storage/digest.hpp"

namespace mlforge::gateway::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kArtifactsRoute = "/api/2.0/mlflow-artifacts/artifacts/";
constexpr std::string_view kProxiedScheme = "mlflow-artifacts:";

struct LocalFile {
  std::string path, digest;
  std::uint64_t bytes = 0;
};

Expected<LocalFile> describe_file(const fs::path& folder, const fs::path& file) {
  LocalFile out{.path = file.lexically_relative(folder).generic_string(), .digest = {}};
  std::ifstream in(file, std::ios::binary);
  storage::Sha256 hash;
  std::string buffer(1 << 20, '\0');
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto got = static_cast<std::size_t>(in.gcount());
    hash.update(storage::as_bytes(std::string_view(buffer).substr(0, got)));
    out.bytes += got;
  }
  if (!in.eof())
    return Error{ErrorCode::internal, "the file " + file.string() + " cannot be read", "source"};
  out.digest = to_string(hash.finish());
  return out;
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code failed;
  for (auto at = fs::recursive_directory_iterator(folder, failed);
       !failed && at != fs::recursive_directory_iterator(); at.increment(failed))
    if (at->is_regular_file(failed)) out.push_back(at->path());
  std::sort(out.begin(), out.end());
  return out;
}

bool is_local_folder(const fs::path& path) {
  std::error_code ignored;
  return !path.empty() && fs::is_directory(path, ignored);
}

}  // namespace

fs::path MlflowImporter::local_folder(const std::string& uri) const {
  if (uri.starts_with(kProxiedScheme)) {
    if (choices_.artifacts_from.empty()) return {};
    auto rest = std::string_view(uri).substr(kProxiedScheme.size());
    if (rest.starts_with("//")) rest = rest.substr(std::min(rest.find('/', 2), rest.size()));
    while (rest.starts_with('/')) rest.remove_prefix(1);
    return fs::path(choices_.artifacts_from) / rest;
  }
  if (uri.starts_with("file://")) {
    const auto slash = uri.find('/', 7);
    return slash == uri.npos ? fs::path() : fs::path(uri.substr(slash));
  }
  if (uri.starts_with("file:")) return fs::path(uri.substr(5));
  return uri.find(':') == uri.npos ? fs::path(uri) : fs::path();
}

fs::path MlflowImporter::place(std::string& uri, const std::string& below,
                               const fs::path& otherwise) {
  if (uri.empty()) return {};
  auto folder = choices_.copy_artifacts ? local_folder(uri) : fs::path();
  if (choices_.copy_artifacts && !is_local_folder(folder) && is_local_folder(otherwise))
    folder = otherwise;
  // A run that has stored nothing may have no folder; that of its experiment is there where the
  // source's files are.
  if (!is_local_folder(folder) && !is_local_folder(folder.parent_path().parent_path())) {
    ++report_.artifacts.by_reference;
    behind_server_ += uri.starts_with(kProxiedScheme);
    return {};
  }
  const auto here = std::string(kProxiedScheme) + "/" + below;
  moved_[uri] = here;
  moved_[uri.starts_with('/') ? "file://" + uri : uri] = here;
  uri = here;
  return is_local_folder(folder) ? folder : fs::path();
}

Status MlflowImporter::copy_files(const std::string& what, const fs::path& from,
                                  const std::string& to) {
  const auto files = files_below(from);
  if (files.empty()) return {};
  const auto stored = [&]() -> Expected<Texts> {
    auto here = read({.folders = {to}});
    if (!here) return here.error();
    Texts digests;
    for (const auto& file : here->files) digests[file.path] = file.digest;
    return digests;
  };
  auto there = stored();
  if (!there) return there.error();
  Texts wanted;
  for (const auto& path : files) {
    const auto file = describe_file(from, path);
    if (!file) return file.error();
    const auto target = to + "/" + file->path;
    if (const auto at = there->find(target); at != there->end() && at->second == file->digest) {
      ++report_.artifacts.unchanged;
      continue;
    }
    std::ifstream in(path, std::ios::binary);
    const auto answer = api_.upload(kArtifactsRoute + escape_path(target), in, file->bytes);
    if (!answer && (answer.error().code == ErrorCode::unavailable ||
                    answer.error().code == ErrorCode::read_only))
      return answer.error();
    if (!answer) {
      report_.refused.push_back({"artifact " + file->path + " of " + what, answer.error().message});
      continue;
    }
    ++report_.artifacts.files;
    report_.artifacts.bytes += file->bytes;
    wanted[target] = file->digest;
  }
  if (wanted.empty()) return {};
  there = stored();
  if (!there) return there.error();
  for (const auto& [path, digest] : wanted)
    if (const auto at = there->find(path); at == there->end() || at->second != digest)
      keep({{what, "artifacts." + path, digest, at == there->end() ? "(absent)" : at->second}});
  return {};
}

}  // namespace mlforge::gateway::cli
