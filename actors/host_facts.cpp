#include "actors/host_facts.hpp"

#include <lmdb.h>
#include <nats/nats.h>
#include <openssl/crypto.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xgboost/c_api.h>

#include <algorithm>
#include <boost/version.hpp>
#include <caf/config.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "storage/digest.hpp"

namespace mlforge::actors {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestText = 64 << 10;  // what is sought stands before it

// The beginning of a file; empty where it cannot be read.
std::string read_text(const fs::path& path) {
  std::error_code failed;
  if (fs::is_directory(path, failed)) return {};
  std::ifstream in(path, std::ios::binary);
  std::string text(kLongestText, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return text;
}

std::string trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n\"");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n\"") - first + 1));
}

// What follows `key` and `separator` at the start of a line; empty where no line has it.
std::string value_of(std::string_view text, std::string_view key, char separator) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.substr(0, key.size()) != key) continue;
    const auto rest = line.substr(key.size());
    const auto at = rest.find(separator);
    if (at == std::string_view::npos || !trim(rest.substr(0, at)).empty()) continue;
    return trim(rest.substr(at + 1));
  }
  return {};
}

std::string memory_mib() {
  const auto total = value_of(read_text("/proc/meminfo"), "MemTotal", ':');  // "16384 kB"
  const auto kib = std::strtoull(total.c_str(), nullptr, 10);
  return kib == 0 ? "" : std::to_string(kib / 1024);
}

std::string cores() {
  const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? std::to_string(count) : "";
}

// "NVIDIA A100, NVIDIA A100", as NVIDIA's kernel module tells.
std::string cuda_devices() {
  std::vector<fs::path> gpus;
  std::error_code failed;
  for (fs::directory_iterator at("/proc/driver/nvidia/gpus", failed), end; !failed && at != end;
       at.increment(failed))
    gpus.push_back(at->path());
  std::sort(gpus.begin(), gpus.end());
  std::string out;
  for (const auto& gpu : gpus) {
    const auto model = value_of(read_text(gpu / "information"), "Model", ':');
    out += (out.empty() ? "" : ", ") + (model.empty() ? "NVIDIA device" : model);
  }
  return out;
}

bool in_container() {
  std::error_code failed;
  if (fs::exists("/.dockerenv", failed) || fs::exists("/run/.containerenv", failed)) return true;
  if (std::getenv("container") != nullptr || std::getenv("KUBERNETES_SERVICE_HOST") != nullptr)
    return true;
  const auto groups = read_text("/proc/1/cgroup");
  for (const auto* sign : {"docker", "kubepods", "containerd", "libpod", "/lxc"})
    if (groups.find(sign) != std::string::npos) return true;
  return false;
}

bool is_commit(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The folder that holds HEAD: ".git" itself, or where a worktree's ".git" file points.
std::optional<fs::path> git_folder() {
  std::error_code failed;
  for (auto at = fs::current_path(failed); !failed && !at.empty(); at = at.parent_path()) {
    const auto git = at / ".git";
    if (fs::is_directory(git, failed)) return git;
    if (const auto target = value_of(read_text(git), "gitdir", ':'); !target.empty())
      return at / target;
    failed.clear();
    if (at == at.parent_path()) break;
  }
  return std::nullopt;
}

std::string packed_ref(const fs::path& folder, std::string_view ref) {
  std::ifstream in(folder / "packed-refs");
  for (std::string line; std::getline(in, line);) {
    const auto space = line.find(' ');
    if (space != std::string::npos && trim(std::string_view(line).substr(space)) == ref)
      return line.substr(0, space);
  }
  return {};
}

std::string git_commit() {
  const auto git = git_folder();
  if (!git) return {};
  const auto head = read_text(*git / "HEAD");
  const auto ref = value_of(head, "ref", ':');
  std::string commit = trim(head);
  if (!ref.empty()) {
    const auto shared = trim(read_text(*git / "commondir"));  // of a worktree; relative to it
    const auto refs = shared.empty() ? *git : *git / shared;
    commit = trim(read_text(*git / ref));
    if (commit.empty()) commit = trim(read_text(refs / ref));
    if (commit.empty()) commit = packed_ref(refs, ref);
  }
  return is_commit(commit) ? commit : "";
}

// From the file's name that the first python3 on the PATH leads to, "python3.11": nothing is run.
std::string python_version() {
  constexpr std::string_view kName = "python";
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(':'), rest.size());
    const fs::path candidate = fs::path(rest.substr(0, end)) / "python3";
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::error_code failed;
    const auto file = fs::canonical(candidate, failed);
    if (failed) continue;
    const auto name = file.filename().string();
    const auto version = name.substr(std::min(name.size(), kName.size()));
    return name.starts_with(kName) && version.find('.') != std::string::npos &&
                   version.find_first_not_of("0123456789.") == std::string::npos
               ? version
               : "";
  }
  return {};
}

std::string dotted(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::string xgboost_version() {
  int major = 0, minor = 0, patch = 0;
  XGBoostVersion(&major, &minor, &patch);
  return dotted(major, minor, patch);
}

std::string lmdb_version() {
  int major = 0, minor = 0, patch = 0;
  mdb_version(&major, &minor, &patch);
  return dotted(major, minor, patch);
}

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

std::string operating_system() {
  const auto name = value_of(read_text("/etc/os-release"), "PRETTY_NAME", '=');
  if (!name.empty()) return name;
  utsname system{};
  return ::uname(&system) == 0 ? system.sysname : "";
}

std::string kernel() {
  utsname system{};
  return ::uname(&system) == 0 ? std::string(system.release) + " " + system.machine : "";
}

}  // namespace

Texts host_facts() {
  Texts facts{
      {"os", operating_system()},
      {"kernel", kernel()},
      {"cpu", value_of(read_text("/proc/cpuinfo"), "model name", ':')},
      {"cores", cores()},
      {"memory_mib", memory_mib()},
      {"cuda", cuda_devices()},
      {"mps", ""},  // Apple's Metal: not on this system
      {"container", in_container() ? "yes" : "no"},
      {"git_commit", git_commit()},
      {"python", python_version()},
      {"xgboost", xgboost_version()},
      {"lmdb", lmdb_version()},
      {"caf", dotted(CAF_MAJOR_VERSION, CAF_MINOR_VERSION, CAF_PATCH_VERSION)},
      {"boost", dotted(BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
      {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
      {"nats", nats_GetVersion()},
      {"compiler", compiler()},
  };
  for (auto& [name, value] : facts)
    if (value.empty()) value = "none";
  return facts;
}

std::string facts_digest(const Texts& facts) {
  std::string text;
  for (const auto& [name, value] : facts) text += name + "=" + value + "\n";
  return storage::to_string(storage::sha256(storage::as_bytes(text)));
}

}  // namespace mlforge::actors
