// The file of -o: whole, or as it was.
#include "gateway/cli/output_file.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <sstream>

#include "storage/files.hpp"
#include "tests/projections/fixture.hpp"

namespace output_file_tests {

using namespace mlforge;
using gateway::cli::OutputFile;
using projections::test::Folder;
namespace fs = std::filesystem;

namespace {

struct Place {
  Folder folder;
  std::istringstream in;
  std::ostringstream out, err;
  gateway::cli::Io io{in, out, err};

  std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  std::string text(const std::string& name) const {
    const auto text = storage::read_small_file(folder.path() / name);
    return text ? *text : "(none)";
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
  }
  void write(const std::string& name, const std::string& text, bool keep) {
    auto file = OutputFile::open(io, path(name));
    REQUIRE(file);
    file->stream() << text;
    if (keep) REQUIRE_FALSE(file->keep());
  }
};

}  // namespace

TEST_CASE("the file of -o is whole or as it was") {
  Place p;
  p.write("proof.json", "never finished", false);
  CHECK(p.files() == 0);
  p.write("proof.json", "first", true);
  CHECK(p.text("proof.json") == "first");
  p.write("proof.json", "broken off", false);
  CHECK(p.text("proof.json") == "first");
  fs::permissions(p.path("proof.json"), fs::perms::owner_read | fs::perms::owner_write);
  p.write("proof.json", "second", true);
  CHECK((fs::status(p.path("proof.json")).permissions() & fs::perms::others_read) ==
        fs::perms::none);
  CHECK(p.text("proof.json") == "second");
  CHECK(p.files() == 1);
  CHECK(p.out.str().empty());
}

TEST_CASE("without -o it is stdout, and a link is written through") {
  Place p;
  p.write("target", "old", true);
  fs::create_symlink("target", p.folder.path() / "link");
  p.write("link", "new", true);
  CHECK(p.text("target") == "new");
  CHECK(fs::is_symlink(p.folder.path() / "link"));
  auto file = OutputFile::open(p.io, "");
  REQUIRE(file);
  file->stream() << "to stdout";
  REQUIRE_FALSE(file->keep());
  CHECK(p.out.str() == "to stdout");
}

TEST_CASE("what cannot be written is said of the file") {
  Place p;
  const auto nowhere = OutputFile::open(p.io, p.path("no/such/folder"));
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().field == "output");
  CHECK(nowhere.error().message.find("no/such/folder cannot be written") != std::string::npos);
  auto full = OutputFile::open(p.io, "/dev/full");
  REQUIRE(full);
  full->stream() << "more than there is room for";
  const auto bad = full->keep();
  REQUIRE(bad);
  CHECK(bad->message == "/dev/full cannot be written");
}

}  // namespace output_file_tests
