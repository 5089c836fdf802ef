#include <thread>

#include "storage/blob_store.hpp"
#include "storage/verify_blobs.hpp"
#include "tests/storage/full_disk.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace blob_store_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

namespace fs = std::filesystem;

struct Blobs {
  TemporaryFolder folder;
  std::unique_ptr<BlobStore> store;
  Blobs() { open(); }
  void open() {
    store.reset();
    auto opened = open_local_blobs(folder.path() / "blobs");
    REQUIRE(opened);
    store = std::move(*opened);
  }
  BlobStored put(std::string_view bytes, std::string_view tenant = "acme") {
    const auto stored = store->put(tenant, as_bytes(bytes));
    INFO((stored ? std::string() : stored.error().message));
    REQUIRE(stored);
    return *stored;
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
      if (entry.is_regular_file()) found.push_back(entry.path());
    return found;
  }
  std::string read(const Digest& digest, BlobRange range) const {
    auto reader = store->open("acme", digest, range);
    REQUIRE(reader);
    std::string bytes((*reader)->size() + 10, '\0');
    std::size_t used = 0;
    for (;;) {
      const auto n = (*reader)->read({reinterpret_cast<std::uint8_t*>(bytes.data()) + used,
                                      std::min<std::size_t>(3, bytes.size() - used)});
      REQUIRE(n);
      if (*n == 0) break;
      used += *n;
    }
    REQUIRE(used == (*reader)->size());
    bytes.resize(used);
    return bytes;
  }
};

}  // namespace

TEST_CASE("blobs: are named by their digest and come back") {
  Blobs blobs;
  const BlobStored stored = blobs.put("abc");
  CHECK(to_string(stored.digest) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(stored.bytes == 3);
  CHECK_FALSE(stored.deduplicated);
  blobs.open();
  CHECK(*blobs.store->get("acme", stored.digest) == "abc");
  CHECK(*blobs.store->exists("acme", stored.digest));
  CHECK(*blobs.store->size("acme", stored.digest) == 3);
  CHECK_FALSE(blobs.store->verify("acme", stored.digest));
  CHECK(*blobs.store->get("acme", blobs.put("").digest) == "");
}

TEST_CASE("blobs: arrive in pieces") {
  Blobs blobs;
  auto writer = blobs.store->create("acme");
  REQUIRE(writer);
  std::string whole;
  for (int i = 0; i < 1000; ++i) {
    const std::string piece(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26));
    whole += piece;
    REQUIRE_FALSE((*writer)->append(as_bytes(piece)));
  }
  const auto stored = (*writer)->finish();
  REQUIRE(stored);
  CHECK(stored->digest == sha256(as_bytes(whole)));
  CHECK(stored->bytes == whole.size());
  CHECK((*blobs.store->get("acme", stored->digest) == whole));
  CHECK((*writer)->append(as_bytes("more"))->code == ErrorCode::conflict);
  CHECK((*writer)->finish().error().code == ErrorCode::conflict);
}

TEST_CASE("blobs: the same bytes are kept once") {
  Blobs blobs;
  CHECK_FALSE(blobs.put("abc").deduplicated);
  CHECK(blobs.put("abc").deduplicated);
  CHECK(blobs.files().size() == 1);
}

TEST_CASE("blobs: tenants do not share, whatever they are called") {
  Blobs blobs;
  const Digest digest = blobs.put("abc").digest;
  for (const std::string tenant :
       {"globex", "../acme", "ACME", "tmp", "a/b", ".", "..", "%2e", "Größe"}) {
    INFO(tenant);
    CHECK_FALSE(*blobs.store->exists(tenant, digest));
    CHECK_FALSE(blobs.put("abc", tenant).deduplicated);
    CHECK(*blobs.store->get(tenant, digest) == "abc");
  }
  CHECK_FALSE(blobs.put("abc", std::string(5000, 'x')).deduplicated);
  CHECK(blobs.files().size() == 11);
  blobs.open();  // which empties the folder of unfinished uploads
  CHECK(blobs.files().size() == 11);
  for (const auto& entry : fs::directory_iterator(blobs.folder.path()))
    CHECK(entry.path().filename() == "blobs");
  CHECK(blobs.store->create("").error().field == "tenant");
}

TEST_CASE("blobs: a range is read, and cut at the end") {
  Blobs blobs;
  const Digest digest = blobs.put("0123456789").digest;
  CHECK(blobs.read(digest, {}) == "0123456789");
  CHECK(blobs.read(digest, {2, 5}) == "23456");
  CHECK(blobs.read(digest, {8, 5}) == "89");
  CHECK(blobs.read(digest, {10, 5}) == "");
  CHECK(blobs.read(digest, {3, 0}) == "");
  CHECK(blobs.store->open("acme", digest, {11, 1}).error().field == "range");
}

TEST_CASE("blobs: what is not there is not found") {
  Blobs blobs;
  const Digest digest = sha256(as_bytes("never stored"));
  CHECK_FALSE(*blobs.store->exists("acme", digest));
  CHECK(blobs.store->open("acme", digest).error().code == ErrorCode::not_found);
  CHECK(blobs.store->size("acme", digest).error().code == ErrorCode::not_found);
  CHECK(blobs.store->verify("acme", digest)->code == ErrorCode::not_found);
}

TEST_CASE("blobs: an upload that is given up or was interrupted leaves nothing") {
  Blobs blobs;
  {
    auto writer = blobs.store->create("acme");
    REQUIRE(writer);
    REQUIRE_FALSE((*writer)->append(as_bytes("half")));
    CHECK(blobs.files().size() == 1);
  }
  CHECK(blobs.files().empty());
  write_file(blobs.folder.path() / "blobs" / "tmp" / "0", "left by a killed process");
  blobs.open();
  CHECK(blobs.files().empty());
}

TEST_CASE("blobs: damage is found, and mended by the next upload") {
  Blobs blobs;
  const Digest digest = blobs.put("abcdef").digest;
  const fs::path path = blobs.files().at(0);
  write_file(path, "abcdeX");
  CHECK(blobs.store->verify("acme", digest)->code == ErrorCode::corrupt);
  CHECK(blobs.store->get("acme", digest).error().code == ErrorCode::corrupt);
  write_file(path, "abc");
  CHECK(blobs.store->verify("acme", digest)->code == ErrorCode::corrupt);
  CHECK_FALSE(blobs.put("abcdef").deduplicated);
  CHECK_FALSE(blobs.store->verify("acme", digest));
  write_file(path, "abcdeX");  // of the same length
  CHECK_FALSE(blobs.put("abcdef").deduplicated);
  CHECK_FALSE(blobs.store->verify("acme", digest));
  CHECK(blobs.put("abcdef").deduplicated);
}

TEST_CASE("blobs: all of a folder are verified, whoever they belong to") {
  Blobs blobs;
  blobs.put("abc");
  blobs.put("abc", "other");
  const Digest digest = blobs.put("abcdef").digest;
  std::uint64_t done = 0;
  const auto folder = blobs.folder.path() / "blobs";
  auto report = verify_blobs(folder, [&](std::uint64_t at, std::uint64_t total) {
    done = at;
    CHECK(total == 12);
  });
  REQUIRE(report);
  CHECK(report->blobs == 3);
  CHECK(report->bytes == 12);
  CHECK(report->damaged.empty());
  CHECK(done == 12);
  const auto hex = to_string(digest), name = hex.substr(0, 2) + "/" + hex.substr(2);
  write_file(folder / "t-acme" / name, "abcdeX");
  write_file(folder / "tmp" / "7", "an upload that broke off");
  report = verify_blobs(folder);
  REQUIRE(report);
  CHECK(report->damaged == std::vector<std::string>{"t-acme/" + name});
  CHECK(verify_blobs(blobs.folder.path() / "nothing")->blobs == 0);
}

TEST_CASE("blobs: get keeps to its limit") {
  Blobs blobs;
  const Digest digest = blobs.put("abcdef").digest;
  CHECK(blobs.store->get("acme", digest, 5).error().code == ErrorCode::payload_too_large);
  CHECK(*blobs.store->get("acme", digest, 6) == "abcdef");
}

TEST_CASE("blobs: uploads run at the same time") {
  Blobs blobs;
  std::atomic<int> faults{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string bytes = "blob " + std::to_string(i % 5 + t);
        const auto stored = blobs.store->put("acme", as_bytes(bytes));
        if (!stored || !blobs.store->get("acme", stored->digest)) ++faults;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(faults == 0);
  CHECK(blobs.files().size() == 7);
}

TEST_CASE("blobs: a full disk is said, and leaves no half blob") {
  Blobs blobs;
  const std::string large(1 << 20, 'x');
  {
    const FileSizeLimit limit(256 << 10);
    const auto stored = blobs.store->put("acme", as_bytes(large));
    REQUIRE_FALSE(stored);
    CHECK(stored.error().code == ErrorCode::read_only);
    CHECK(stored.error().message.find("full") != std::string::npos);
  }
  CHECK(blobs.files().empty());
  CHECK(blobs.put(large).bytes == large.size());
}

}  // namespace blob_store_tests
