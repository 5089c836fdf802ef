#include "tests/storage/flips.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <random>
#include <set>

#include "storage/prover.hpp"
#include "storage/verify.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

LmdbLogOptions options() {
  LmdbLogOptions options;
  options.map_bytes = 16 << 20;
  options.clock = std::make_shared<ManualClock>();
  options.ids = seeded_ids(1);
  return options;
}

// The roots, every tile and the walk of every stream.
Status add_tree(const fs::path& folder, const Log& log, const std::set<std::string>& streams,
                Sha256& hash) {
  auto tree = LogTree::open(folder / "merkle", log, boot_id(), 16 << 20);
  if (!tree) return tree.error();
  if (const auto reached = (*tree)->catch_up(); !reached) return reached.error();
  const auto root = (*tree)->root();
  if (!root) return root.error();
  hash.update(as_bytes(std::to_string(root->size) + to_string(root->root)));
  for (const TileName name : {TileName{0, 0}, TileName{0, 1}, TileName{1, 0}}) {
    const auto tile = (*tree)->tile(name);
    if (!tile) return tile.error();
    for (const Digest& each : *tile) hash.update(each.bytes);
  }
  for (const auto& stream : streams) {
    MapProof proof;
    const auto walk = (*tree)->prove_stream("acme", stream, proof);
    if (!walk) return walk.error();
    hash.update(walk->streams.bytes);
    for (const auto& step : proof.path) hash.update(step.sibling.bytes);
    if (proof.leaf) hash.update(as_bytes(std::to_string(proof.leaf->state.last_position)));
  }
  return {};
}

std::string answers_here(const fs::path& folder) {
  auto log = open_lmdb_log(folder, options());
  if (!log) return "error: " + log.error().message;
  if (const auto stopped = (*log)->writable()) return "error: " + stopped->message;
  Sha256 hash;
  std::set<std::string> streams;
  const auto add = [&](const EventView& event) {
    hash.update(as_bytes(std::to_string(event.position) + std::string(event.command_id)));
    for (const auto text : {event.tenant, event.stream, event.type, event.actor, event.payload})
      hash.update(as_bytes(text));
    streams.insert(std::string(event.stream));
    return true;
  };
  Position next = 1;
  while (next <= (*log)->head()) {
    const auto read = (*log)->read(next, 50, add);
    if (!read) return "error: " + read.error().message;
    next = *read + 1;
  }
  for (const auto& stream : streams)
    for (const auto* tenant : {"acme", "default"}) {
      const auto version = (*log)->stream_version(tenant, stream);
      if (!version) return "error: " + version.error().message;
      hash.update(as_bytes(std::to_string(*version)));
      const auto read = (*log)->read_stream(tenant, stream, 1, ~0ull, ~0ull, add);
      if (!read) return "error: " + read.error().message;
    }
  for (int i = 0; i < 300; i += 7)
    if (const auto known = (*log)->find_command("acme", "c" + std::to_string(i)))
      hash.update(as_bytes(std::to_string(known->first)));
  if (const auto bad = add_tree(folder, **log, streams, hash)) return "error: " + bad->message;
  return std::to_string((*log)->head()) + " " + to_string(hash.finish());
}

std::string read_pipe(int fd) {
  std::string text;
  char bytes[512];
  for (ssize_t n; (n = ::read(fd, bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<std::size_t>(n));
  return text;
}

class Flipped {
 public:
  Flipped(const fs::path& file, std::uint64_t bit) : fd_(::open(file.c_str(), O_RDWR)), bit_(bit) {
    REQUIRE(fd_ >= 0);
    flip();
  }
  ~Flipped() {
    flip();
    ::close(fd_);
  }

 private:
  void flip() {
    unsigned char byte = 0;
    const auto at = static_cast<off_t>(bit_ / 8);
    if (::pread(fd_, &byte, 1, at) != 1) std::abort();
    byte = static_cast<unsigned char>(byte ^ 1u << bit_ % 8);
    if (::pwrite(fd_, &byte, 1, at) != 1) std::abort();
  }
  int fd_;
  std::uint64_t bit_;
};

void copy_folder(const fs::path& from, const fs::path& to) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
}

}  // namespace

void make_small_log(const fs::path& folder) {
  auto log = open_lmdb_log(folder, options());
  REQUIRE(log);
  auto prover = Prover::open(folder, **log, {.map_bytes = 16 << 20, .boot_id = {}});
  REQUIRE(prover);
  REQUIRE_FALSE((*prover)->record_key(**log));
  std::mt19937_64 random(11);
  for (int i = 0; i < 300; i += 5) {
    std::vector<NewEvent> batch;
    for (int j = 0; j < 5; ++j)
      batch.push_back(event("run/" + std::to_string(random() % 20),
                            std::string(random() % 700, static_cast<char>('a' + j))));
    // One that needs pages of its own.
    if (i % 100 == 50) batch.back().payload.assign(9000, 'x');
    must_append(**log, request(std::move(batch), "c" + std::to_string(i)));
  }
  REQUIRE_FALSE((*prover)->close());
  REQUIRE_FALSE((*log)->close());
}

std::string all_answers(const fs::path& folder) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE}) std::signal(signal, SIG_DFL);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
    ::close(ends[0]);
    const auto text = answers_here(folder);
    (void)!::write(ends[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  const auto text = read_pipe(ends[0]);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) || text.empty() ? "crash" : text;
}

FlipTally flip_bits(const fs::path& folder, const fs::path& file, std::uint64_t count,
                    std::uint64_t seed) {
  const TemporaryFolder scratch;
  const fs::path copy = scratch.path() / "copy";
  copy_folder(folder, copy);
  const auto expected = all_answers(copy);
  REQUIRE(expected.find("error") == expected.npos);
  REQUIRE(expected != "crash");
  const auto sound = verify_log(folder);
  REQUIRE(sound);
  REQUIRE(sound->what.empty());
  std::mt19937_64 random(seed);
  const std::uint64_t bits = fs::file_size(folder / file) * 8;
  constexpr std::uint64_t kMetaBytes = 160, kPageBytes = 4096;
  FlipTally tally;
  while (tally.flips < count && tally.missed.empty()) {
    std::uint64_t bit = random() % bits;
    if (tally.flips++ % 3 == 0)
      bit = ((random() % 2) * kPageBytes + random() % kMetaBytes) * 8 + random() % 8;
    const Flipped flipped(folder / file, bit);
    const auto report = verify_log(folder);
    if (!report || !report->what.empty()) {
      ++tally.reported;
      continue;
    }
    copy_folder(folder, copy);
    const auto answers = all_answers(copy);
    if (answers == expected)
      ++tally.harmless;
    else
      tally.missed = "bit " + std::to_string(bit) + " of " + file.string() + ": " + answers;
  }
  return tally;
}

}  // namespace mlforge::storage
