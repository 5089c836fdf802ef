#include "actors/host_facts.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "tests/actors/serving_support.hpp"

namespace host_facts_tests {

using namespace mlforge;
using namespace mlforge::actors;
namespace fs = std::filesystem;

namespace {

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";
const std::string kOther = "fedcba9876543210fedcba9876543210fedcba98";

// The working folder for the time of a test.
struct InFolder {
  explicit InFolder(const fs::path& folder) : before(fs::current_path()) {
    fs::current_path(folder);
  }
  ~InFolder() { fs::current_path(before); }
  fs::path before;
};

// A variable of the environment for the time of a test.
struct WithVariable {
  WithVariable(const char* name, const std::string& value) : name(name) {
    if (const char* old = std::getenv(name)) before = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~WithVariable() {
    if (before)
      ::setenv(name, before->c_str(), 1);
    else
      ::unsetenv(name);
  }
  const char* name;
  std::optional<std::string> before;
};

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string commit_in(const fs::path& folder) {
  const InFolder here(folder);
  return host_facts().at("git_commit");
}

}  // namespace

TEST_CASE("host facts: the same ones every time, none empty, at once") {
  const auto start = std::chrono::steady_clock::now();
  const auto facts = host_facts();
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(took < std::chrono::seconds(1));
  std::set<std::string> names;
  for (const auto& [name, value] : facts) {
    names.insert(name);
    INFO(name);
    CHECK_FALSE(value.empty());
    CHECK(value.find('\n') == std::string::npos);
  }
  CHECK(names == std::set<std::string>{"os", "kernel", "cpu", "cores", "memory_mib", "cuda", "mps",
                                       "container", "git_commit", "python", "xgboost", "lmdb",
                                       "caf", "boost", "openssl", "nats", "compiler"});
  CHECK(host_facts() == facts);
}

TEST_CASE("host facts: what the system says") {
  const auto facts = host_facts();
  utsname system{};
  REQUIRE(::uname(&system) == 0);
  CHECK(facts.at("kernel") == std::string(system.release) + " " + system.machine);
  CHECK(facts.at("cores") == std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)));
  const double pages = static_cast<double>(::sysconf(_SC_PHYS_PAGES));
  const double mib = pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
  CHECK(std::stod(facts.at("memory_mib")) == Approx(mib).epsilon(0.01));
  CHECK((facts.at("container") == "yes" || facts.at("container") == "no"));
  CHECK(facts.at("mps") == "none");
  for (const auto* library : {"xgboost", "lmdb", "caf", "boost", "openssl", "nats"}) {
    INFO(library << " " << facts.at(library));
    CHECK(std::count(facts.at(library).begin(), facts.at(library).end(), '.') >= 2);
    CHECK(std::isdigit(static_cast<unsigned char>(facts.at(library)[0])));
  }
}

TEST_CASE("host facts: a container names itself in its environment") {
  const WithVariable container("container", "podman");
  CHECK(host_facts().at("container") == "yes");
}

TEST_CASE("host facts: the commit of the working folder, whatever form its reference has") {
  const test::serving::ScratchFolder folder;
  const auto& root = folder.path();
  CHECK(commit_in(root) == "none");
  write(root / ".git/HEAD", kCommit + "\n");  // detached
  CHECK(commit_in(root) == kCommit);
  write(root / ".git/HEAD", "ref: refs/heads/topic/one\n");
  CHECK(commit_in(root) == "none");  // no commit yet
  write(root / ".git/packed-refs", "# pack-refs with: peeled\n" + kOther +
                                       " refs/heads/topic/one-more\n" + kCommit +
                                       " refs/heads/topic/one\n");
  CHECK(commit_in(root) == kCommit);
  write(root / ".git/refs/heads/topic/one", kOther + "\n");  // newer than the packed one
  CHECK(commit_in(root) == kOther);
  fs::create_directories(root / "deep/er");
  CHECK(commit_in(root / "deep/er") == kOther);
}

TEST_CASE("host facts: the commit of a worktree, and of a damaged one") {
  const test::serving::ScratchFolder folder;
  const auto& root = folder.path();
  write(root / "main/.git/HEAD", "ref: refs/heads/main\n");
  write(root / "main/.git/refs/heads/main", kOther + "\n");
  write(root / "main/.git/refs/heads/side", kCommit + "\n");
  write(root / "main/.git/worktrees/side/HEAD", "ref: refs/heads/side\n");
  write(root / "main/.git/worktrees/side/commondir", "../..\n");
  write(root / "side/.git", "gitdir: " + (root / "main/.git/worktrees/side").string() + "\n");
  CHECK(commit_in(root / "side") == kCommit);
  CHECK(commit_in(root / "main") == kOther);
  write(root / "main/.git/refs/heads/main", "no commit\n");
  CHECK(commit_in(root / "main") == "none");
}

TEST_CASE("host facts: Python is the first on the PATH, and nothing is run") {
  const test::serving::ScratchFolder folder;
  const auto& root = folder.path();
  fs::create_directories(root / "empty");
  write(root / "first/python3.42", "not a program");
  fs::create_symlink("python3.42", root / "first/python3");
  write(root / "shim/python3", "#!/bin/sh\ntouch was-run\n");
  write(root / "odd/py", "a short name");
  fs::create_symlink("py", root / "odd/python3");
  const auto python_on = [&](const std::string& path) {
    const WithVariable variable("PATH", path);
    const InFolder here(root);
    return host_facts().at("python");
  };
  CHECK(python_on((root / "empty").string() + "::" + (root / "first").string()) == "3.42");
  CHECK(python_on((root / "shim").string() + ":" + (root / "first").string()) == "none");
  CHECK(python_on((root / "odd").string()) == "none");
  CHECK(python_on((root / "empty").string()) == "none");
  CHECK(python_on("") == "none");
  CHECK_FALSE(fs::exists(root / "was-run"));
}

TEST_CASE("host facts: the digest is the SHA-256 of the lines in order") {
  // printf 'a=1\nb=two\n' | sha256sum
  CHECK(facts_digest({{"b", "two"}, {"a", "1"}}) ==
        "5394ef68c5fb3f650880156605c3f945e45f4d5518e7639d04a0aa50d90ade5a");
  CHECK(facts_digest({{"a", "1"}}) != facts_digest({{"a", "2"}}));
}

}  // namespace host_facts_tests
