// The power goes at every point of some uploads.
#include <catch2/catch.hpp>

#include "storage/blob_store.hpp"
#include "tests/crash/disk_image.hpp"
#include "tests/projections/fixture.hpp"
#include "tests/sanitized.hpp"

using namespace mlforge;
using mlforge::test::kEvery;
using namespace mlforge::crash;
using namespace mlforge::storage;
using projections::test::Folder;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kContents{"first", "second", "", "first", std::string(9000, 'x')};

struct Upload {
  std::size_t entries = 0;  // so long was the journal when it was acknowledged
  std::string tenant;
  Digest digest;
};

void upload(BlobStore& store, const std::string& tenant, const SimulatedDisk& disk,
            std::vector<Upload>& uploads) {
  for (const std::string& content : kContents) {
    auto writer = store.create(tenant);
    REQUIRE(writer);
    REQUIRE_FALSE((*writer)->append(as_bytes(content)));
    const auto stored = (*writer)->finish();
    REQUIRE(stored);
    uploads.push_back({disk.size(), tenant, stored->digest});
  }
}

std::vector<Upload> run(const fs::path& folder, const SimulatedDisk& disk) {
  std::vector<Upload> uploads;
  const auto store = open_local_blobs(folder);
  REQUIRE(store);
  for (const char* tenant : {"acme", "other"}) upload(**store, tenant, disk, uploads);
  return uploads;
}

void check(const fs::path& folder, const std::vector<Upload>& uploads, std::size_t entries) {
  const auto store = open_local_blobs(folder);
  REQUIRE(store);
  for (const Upload& upload : uploads)
    if (upload.entries <= entries) REQUIRE_FALSE((*store)->verify(upload.tenant, upload.digest));
}

void cut_at(std::size_t k, Disk disk, const Journal& journal, const std::vector<Upload>& uploads,
            std::mt19937_64& random) {
  if (k < journal.entries.size()) disk.interrupt(journal, journal.entries[k]);
  for (const Kept kept : {Kept::none, Kept::all, Kept::writes, Kept::sectors}) {
    INFO("cut at call " << k << " of " << journal.entries.size());
    Folder image;
    disk.write_image(image.path(), kept, random);
    check(image.path() / "a" / "blobs", uploads, k);
  }
}

// Sanitized: at every fourth call.
void cut_everywhere(Disk disk, const Journal& journal, std::size_t first,
                    const std::vector<Upload>& uploads, std::mt19937_64& random) {
  for (std::size_t k = first; k <= journal.entries.size(); ++k) {
    if (k % kEvery == 0) cut_at(k, disk, journal, uploads, random);
    if (k < journal.entries.size()) disk.apply(journal, journal.entries[k]);
  }
}

}  // namespace

TEST_CASE("power cut: acknowledged blobs are there, wherever the cut") {
  std::mt19937_64 random(1);
  Folder folder;
  SimulatedDisk disk(folder.path());
  const auto uploads = run(folder.path() / "a" / "blobs", disk);
  cut_everywhere(Disk(), disk.journal(), 0, uploads, random);
}

TEST_CASE("power cut: blobs that a restarted process acknowledges are there") {
  std::mt19937_64 random(2);
  Journal journal;
  {
    Folder folder;
    SimulatedDisk disk(folder.path());
    (void)run(folder.path() / "a" / "blobs", disk);
    journal = disk.journal();
  }
  Disk before;
  for (std::size_t k = 0; k < journal.entries.size(); ++k) {
    before.apply(journal, journal.entries[k]);
    if (k % 3 != 0) continue;
    INFO("killed after call " << k);
    Journal prefix = journal;
    prefix.entries.resize(k + 1);
    Folder folder;
    before.write_image(folder.path(), Kept::all, random);
    SimulatedDisk disk(folder.path(), prefix);
    const auto uploads = run(folder.path() / "a" / "blobs", disk);
    cut_everywhere(before, disk.journal(), k + 1, uploads, random);
  }
}
