// The tree and the stream map that follow a log, against naive ones, over restarts and damage.
#include <random>

#include "storage/log_tree.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace log_tree_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

constexpr std::size_t kMap = 64 << 20;

std::unique_ptr<LogTree> open_tree(const std::filesystem::path& folder, const Log& log,
                                   const std::string& boot = "boot") {
  auto tree = LogTree::open(folder, log, boot, kMap);
  INFO((tree ? std::string() : tree.error().message));
  REQUIRE(tree);
  return std::move(*tree);
}

void fill(Log& log, std::size_t events, std::size_t streams, std::size_t first = 0) {
  for (std::size_t i = 0; i < events;) {
    std::vector<NewEvent> batch;
    for (; i < events && batch.size() < 50; ++i)
      batch.push_back(event("run/" + std::to_string((first + i * 11) % streams)));
    must_append(log, request(std::move(batch)));
  }
}

struct Naive {
  std::vector<Digest> leaves;
  std::map<Digest, StreamState> streams;
  explicit Naive(const Log& log) {
    REQUIRE(log.read_records(1, ~0ull, [&](Position, Bytes record) {
      const auto event = decode_record(record);
      REQUIRE(event);
      leaves.push_back(leaf_hash(record_commitment(record)));
      streams[stream_key(event->tenant, event->stream)] = {event->version, event->position};
      return true;
    }));
  }
  Digest root(std::size_t size) const {
    Frontier frontier;
    for (std::size_t i = 0; i < size; ++i) frontier.append(leaves[i]);
    return frontier.root();
  }
};

void check_all(LogTree& tree, const Log& log) {
  REQUIRE(tree.catch_up());
  const Naive naive(log);
  const auto root = tree.root();
  REQUIRE(root);
  REQUIRE(root->size == log.head());
  REQUIRE(root->root == naive.root(log.head()));
  REQUIRE(root->streams == stream_map_root(naive.streams));
}

}  // namespace

TEST_CASE("log tree: roots, proofs and tiles of a log, over several restarts") {
  const TemporaryFolder folder;
  MemoryLog log(std::make_shared<ManualClock>(), seeded_ids(1));
  check_all(*open_tree(folder.path() / "merkle", log), log);
  for (const std::size_t more : {1u, 254u, 1u, 1u, 400u}) {
    fill(log, more, 40);
    const auto tree = open_tree(folder.path() / "merkle", log);
    check_all(*tree, log);
    if (more != 400) REQUIRE_FALSE(tree->close());  // else as after a crash on the same boot
  }
  auto tree = open_tree(folder.path() / "merkle", log);
  CHECK(tree->size() == log.head());
  check_all(*tree, log);
  const Naive naive(log);
  const auto size = log.head();
  for (Position p = 1; p <= size; p += 13) {
    const auto path = tree->inclusion(p, size);
    REQUIRE(path);
    CHECK(verify_inclusion(p - 1, size, naive.leaves[p - 1], *path, naive.root(size)));
    const auto grown = tree->consistency(p, size);
    REQUIRE(grown);
    CHECK(verify_consistency(p, size, naive.root(p), naive.root(size), *grown));
    const auto then = tree->root_at(p);
    REQUIRE(then);
    CHECK(*then == naive.root(p));
  }
  CHECK(tree->inclusion(0, size).error().field == "position");
  CHECK(tree->inclusion(size + 1, size).error().field == "position");
  CHECK(tree->inclusion(1, size + 1).error().field == "size");
  CHECK(tree->consistency(3, 2).error().field == "from");
  const auto first = tree->tile({0, 0}), last = tree->tile({0, size / 256}),
             upper = tree->tile({1, 0}), none = tree->tile({0, size / 256 + 1});
  REQUIRE((first && last && upper && none));
  CHECK(first->size() == 256);
  CHECK(*first == Tile(naive.leaves.begin(), naive.leaves.begin() + 256));
  CHECK(last->size() == size % 256);
  CHECK(upper->size() == size / 256);
  CHECK(upper->front() == naive.root(256));
  CHECK(none->empty());
}

TEST_CASE("log tree: is made anew for another boot, another history, and damaged pages") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "merkle";
  MemoryLog log(std::make_shared<ManualClock>(), seeded_ids(1));
  fill(log, 300, 20);
  {
    const auto tree = open_tree(path, log);
    check_all(*tree, log);
  }
  CHECK(open_tree(path, log)->size() == 300);
  CHECK(open_tree(path, log, "other")->size() == 0);
  {
    const auto tree = open_tree(path, log, "other");
    check_all(*tree, log);
    REQUIRE_FALSE(tree->close());
  }
  MemoryLog other(std::make_shared<ManualClock>(), seeded_ids(2));
  fill(other, 310, 20);
  const auto tree = open_tree(path, other);
  CHECK(tree->size() == 0);
  check_all(*tree, other);
  REQUIRE_FALSE(tree->close());
  write_file(path / "data.mdb", "no database");
  check_all(*open_tree(path, other), other);
}

TEST_CASE("stream map: proofs that a stream is there, how long it is, and that it is not") {
  const TemporaryFolder folder;
  MemoryLog log(std::make_shared<ManualClock>(), seeded_ids(1));
  const auto tree = open_tree(folder.path() / "merkle", log);
  MapProof proof;
  auto root = tree->prove_stream("acme", "run/1", proof);
  REQUIRE(root);
  CHECK_FALSE(proof.leaf);
  CHECK(verify_map_proof(stream_key("acme", "run/1"), proof, root->streams));
  for (const std::size_t streams : {1u, 2u, 3u, 700u}) {
    fill(log, streams, streams, streams);
    REQUIRE(tree->catch_up());
    for (std::size_t i = 0; i < streams + 20; ++i) {
      const auto name = "run/" + std::to_string(i);
      root = tree->prove_stream("acme", name, proof);
      REQUIRE(root);
      const auto key = stream_key("acme", name);
      REQUIRE(verify_map_proof(key, proof, root->streams));
      REQUIRE(proof.leaf);
      REQUIRE((proof.leaf->key == key) == (i < streams));
      if (i < streams)
        REQUIRE(proof.leaf->state.version == log.stream_version("acme", name).value());
      auto wrong = proof;
      ++wrong.leaf->state.version;
      REQUIRE_FALSE(verify_map_proof(key, wrong, root->streams));
      if (proof.path.empty()) continue;
      wrong = proof;
      wrong.path.back().sibling.bytes[3] ^= 4;
      REQUIRE_FALSE(verify_map_proof(key, wrong, root->streams));
      wrong = proof;
      wrong.path.pop_back();
      REQUIRE_FALSE(verify_map_proof(key, wrong, root->streams));
      // A walk that leads elsewhere proves nothing about this key.
      auto turned = key;
      turned.bytes[proof.path[0].depth / 8] ^=
          static_cast<std::uint8_t>(0x80 >> proof.path[0].depth % 8);
      REQUIRE_FALSE(verify_map_proof(turned, proof, root->streams));
    }
  }
}

TEST_CASE("stream map: the root depends on what is in it, not on the order") {
  std::mt19937_64 random(3);
  std::map<Digest, StreamState> all;
  StreamMap map;
  std::map<std::uint32_t, std::vector<StreamLeaf>> buckets;
  CHECK(map.root() == stream_map_root(all));
  for (int i = 0; i < 500; ++i) {
    Digest key;
    for (auto& byte : key.bytes) byte = static_cast<std::uint8_t>(random());
    // Many share their first bytes, so that buckets hold several.
    if (i % 3 == 0) key.bytes[0] = key.bytes[1] = 7;
    if (i % 9 == 0) key.bytes[2] = key.bytes[3] = 7;
    all[key] = {random() % 9 + 1, random()};
    auto& bucket = buckets[StreamMap::bucket_of(key)];
    bucket.clear();
    for (const auto& [k, state] : all)
      if (StreamMap::bucket_of(k) == StreamMap::bucket_of(key)) bucket.push_back({k, state});
    map.set_bucket(StreamMap::bucket_of(key), bucket);
    REQUIRE(map.root() == stream_map_root(all));
  }
  for (const auto& [key, state] : all) {
    const auto proof = map.prove(key, [&](std::uint32_t b) { return buckets[b]; });
    REQUIRE(proof.leaf == StreamLeaf{key, state});
    REQUIRE(verify_map_proof(key, proof, map.root()));
  }
}

}  // namespace log_tree_tests
