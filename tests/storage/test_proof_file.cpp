// Proofs of a log, made by one side and checked by the other with nothing but the file.
#include <random>

#include "storage/base64.hpp"
#include "storage/prover.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace proof_file_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

struct ProverFixture : LmdbLogFixture {
  ProverFixture() { open_prover(); }
  void open_prover() {
    auto opened = Prover::open(path(), log(), {.map_bytes = 64 << 20, .boot_id = "boot"});
    INFO((opened ? std::string() : opened.error().message));
    REQUIRE(opened);
    prover = std::move(*opened);
    REQUIRE_FALSE(prover->record_key(log()));
  }
  void restart() {
    REQUIRE_FALSE(prover->close());
    prover.reset();
    reopen();
    open_prover();
  }
  void fill(int events) {
    for (int i = 0; i < events; ++i)
      must_append(log(), request({event("run/" + std::to_string(i % 7), R"({"i":1})")}));
  }
  std::string rotate() {
    auto planned = prover->plan_rotation("a test");
    REQUIRE(planned);
    AppendRequest one{.tenant = std::string(kLogTenant), .events = {planned->event}};
    one.expectations = {{std::string(kLogKeysStream), planned->expected_version}};
    must_append(log(), one);
    const auto text = planned->next.verifier.text();
    prover->use_key(std::move(planned->next));
    return text;
  }
  std::unique_ptr<Prover> prover;
};

ProofReport verified(const std::string& text, const std::optional<VerifierKey>& key = {}) {
  const auto report = verify_proof(text, key);
  INFO((report ? std::string() : report.error().message));
  REQUIRE(report);
  return *report;
}

template <class T>
T take(Expected<T> result) {
  INFO((result ? std::string() : result.error().message));
  REQUIRE(result);
  return std::move(*result);
}

}  // namespace

TEST_CASE("prover: the first key is made, recorded, kept over restarts and never shown") {
  ProverFixture f;
  const std::optional<VerifierKey> key = f.prover->verifier();
  CHECK(key->name == log_origin(f.log().log_id()));
  CHECK(f.log().head() == 1);
  const auto keys = take(read_log_keys(f.log()));
  REQUIRE(keys.keys.size() == 1);
  CHECK(take(verifier_key(keys.keys[0])) == *key);
  f.restart();
  CHECK(f.log().head() == 1);
  CHECK(f.prover->verifier() == *key);
  const auto note = take(parse_note(take(f.prover->checkpoint())));
  CHECK(note.is_signed_by(*key));
  CHECK(take(parse_checkpoint(note.text)).size == 1);
  CHECK(take(parse_note(read_file(f.path() / kCheckpointFile))).is_signed_by(*key));
}

TEST_CASE("prover: a key whose file is lost is followed by one that nobody endorsed") {
  ProverFixture f;
  const auto before = f.prover->verifier();
  std::filesystem::remove_all(f.path() / "keys");
  f.restart();
  const auto keys = take(read_log_keys(f.log()));
  REQUIRE(keys.keys.size() == 2);
  CHECK(keys.keys[1].endorsed_by.empty());
  CHECK(f.prover->verifier() != before);
  const auto proof = to_json(take(f.prover->prove_event(1)));
  CHECK(verified(proof).what.empty());
  CHECK_FALSE(verified(proof, before).what.empty());
}

TEST_CASE("prover: a key that nobody was given a signature of stays out of the log") {
  ProverFixture f;
  const TemporaryFolder folder;
  const auto open = [&] {
    return take(Prover::open(folder.path(), f.log(), {.map_bytes = 64 << 20, .boot_id = "boot"}));
  };
  // Another folder: its log names a key that it has no file of.
  auto prover = open();
  const auto key = prover->verifier();
  const auto head = f.log().head();
  CHECK(prover->unrecorded_key());
  CHECK_FALSE(prover->close());
  prover = open();
  CHECK(prover->verifier() == key);
  CHECK(f.log().head() == head);
  REQUIRE_FALSE(prover->record_key(f.log()));
  CHECK(f.log().head() == head + 1);
  CHECK_FALSE(prover->unrecorded_key());
  CHECK_FALSE(open()->unrecorded_key());
}

TEST_CASE("proof of an event: verifies, with and without the key, and not for another log") {
  ProverFixture f;
  f.fill(300);
  const auto key = f.prover->verifier();
  for (Position p = 1; p <= 301; p += 7) {
    const auto text = to_json(take(f.prover->prove_event(p)));
    const auto report = verified(text, key);
    REQUIRE(report.what.empty());
    REQUIRE(report.pinned);
    REQUIRE(report.checkpoint.size == 301);
    REQUIRE(report.claim.starts_with("position " + std::to_string(p) + " of 301 is version "));
    REQUIRE_FALSE(verified(text).pinned);
  }
  CHECK(f.prover->prove_event(302).error().code == ErrorCode::not_found);
  CHECK(f.prover->prove_event(0).error().code == ErrorCode::not_found);
  ProverFixture other;
  const auto text = to_json(take(f.prover->prove_event(5)));
  const auto report = verified(text, other.prover->verifier());
  CHECK_FALSE(report.pinned);
  CHECK_THAT(report.what, Catch::Matchers::Contains("is not among the keys"));
}

TEST_CASE("proof of a stream as of an earlier size is what could have been made then") {
  ProverFixture f;
  std::vector<std::string> signed_then;  // texts of the checkpoints, by size
  for (int i = 0; i < 40; ++i) {
    const auto note = parse_note(take(f.prover->checkpoint()));
    REQUIRE(note);
    signed_then.push_back(note->text);
    f.fill(i % 3 + 1);
  }
  const auto key = f.prover->verifier();
  for (const auto& then : signed_then) {
    const auto size = parse_checkpoint(then)->size;
    for (const std::string stream : {"run/0", "run/2", "run/6"}) {
      const auto file = take(f.prover->prove_stream("acme", stream, size));
      const auto report = verified(to_json(file), key);
      INFO(stream << " at " << size << ": " << report.what);
      REQUIRE(report.what.empty());
      REQUIRE(report.pinned);
      REQUIRE(parse_note(file.checkpoint)->text == then);
    }
  }
  CHECK(take(f.prover->prove_stream("acme", "run/0", 1)).events.empty());
  CHECK(f.prover->prove_stream("acme", "run/0", 100'000).error().code == ErrorCode::not_found);
}

TEST_CASE("proof of a stream: piece by piece it is the same file, whatever is appended meanwhile") {
  ProverFixture f;
  f.fill(3000);
  for (const std::string stream : {"run/3", "run/7"}) {
    const auto whole = take(f.prover->prove_stream("acme", stream));
    auto begun = f.prover->begin_stream("acme", stream);
    REQUIRE(begun);
    std::string text;
    int pieces = 0;
    for (std::string piece;; piece.clear(), ++pieces) {
      REQUIRE_FALSE((*begun)->next(piece));
      if (piece.empty()) break;
      CHECK(piece.size() < 40'000);
      text += piece;
      f.fill(1);
    }
    CHECK(text == to_json(whole));
    CHECK((pieces > 5) == !whole.events.empty());
    CHECK(verified(text, f.prover->verifier()).pinned);
  }
}

TEST_CASE("proof of a stream: all of its events, or that there is no such stream") {
  ProverFixture f;
  f.fill(100);
  const auto key = f.prover->verifier();
  const auto file = take(f.prover->prove_stream("acme", "run/3"));
  CHECK(verified(to_json(file), key).claim ==
        "stream run/3 of tenant acme has these 14 events and no other, up to position 96 of 101");
  const auto none = take(f.prover->prove_stream("acme", "run/7"));
  CHECK(verified(to_json(none), key).claim ==
        "there is no stream run/7 of tenant acme in the log of 101 events");
  const auto report = verified(to_json(none), key);
  CHECK((report.tenant == "acme" && report.stream == "run/7"));
  // The keys are a stream of the log's own tenant, which goes without saying.
  CHECK_THAT(verified(to_json(take(f.prover->prove_stream("default", "log/keys"))), key).claim,
             Catch::Matchers::StartsWith("stream log/keys has these 1 events"));
  CHECK(take(f.prover->prove_stream("other", "run/3")).events.empty());

  auto changed = file;
  changed.events.pop_back();
  CHECK(verified(to_json(changed), key).first_bad_position == 96);
  changed = file;
  changed.events.erase(changed.events.begin() + 4);
  CHECK(verified(to_json(changed), key).first_bad_position == file.events[5].position);
  changed = file;
  std::swap(changed.events[0], changed.events[1]);
  CHECK(verified(to_json(changed), key).first_bad_position == file.events[1].position);
  changed = file;
  changed.events[6].record = file.events[7].record;
  CHECK(verified(to_json(changed), key).first_bad_position == file.events[6].position);
  changed = file;
  changed.leaf->version -= 1;
  changed.events.pop_back();
  CHECK_FALSE(verified(to_json(changed), key).what.empty());
  changed = none;  // an absent stream is not one without events of another name
  changed.stream = "run/3";
  CHECK_FALSE(verified(to_json(changed), key).what.empty());
}

TEST_CASE("proof of consistency: from every earlier size, and from a checkpoint") {
  ProverFixture f;
  f.fill(60);
  const auto old = take(f.prover->checkpoint());
  f.fill(70);
  const auto key = f.prover->verifier();
  for (std::uint64_t from = 0; from <= f.log().head(); ++from)
    REQUIRE(verified(to_json(take(f.prover->prove_consistency(from))), key).what.empty());
  CHECK(f.prover->prove_consistency(132).error().code == ErrorCode::not_found);
  auto file = take(f.prover->prove_consistency(61));
  file.from_checkpoint = old;
  const auto report = verified(to_json(file), key);
  CHECK(report.claim == "the log of 131 events continues the one of 61: nothing was changed");
  CHECK((report.from_size == 61 && report.from_signed));
  // Without the earlier checkpoint anybody's log of 61 events could be meant.
  const auto bare = take(f.prover->prove_consistency(61));
  const auto unsigned_from = verified(to_json(bare), key);
  CHECK_FALSE(unsigned_from.from_signed);
  CHECK(unsigned_from.from_root == bare.from_root);
  CHECK(unsigned_from.claim == "the log of 131 events continues a log of 61 with root " +
                                   bare.from_root +
                                   "; no signature of that one is in this file: compare the root");
  auto wrong = take(f.prover->prove_consistency(60));
  wrong.from_checkpoint = old;
  CHECK_FALSE(verified(to_json(wrong), key).what.empty());
}

TEST_CASE("proofs as of an earlier size: the same claims, under a checkpoint of that size") {
  ProverFixture f;
  f.fill(60);
  const auto then = parse_checkpoint(parse_note(take(f.prover->checkpoint()))->text);
  REQUIRE(then);
  f.fill(70);
  const auto key = f.prover->verifier();
  const auto earlier = parse_checkpoint(parse_note(take(f.prover->checkpoint(then->size)))->text);
  REQUIRE(earlier);
  CHECK(earlier->size == then->size);
  CHECK(earlier->root == then->root);
  CHECK_FALSE(earlier->streams);
  for (const std::uint64_t size : {5, 61, 64, 100, 131}) {
    for (Position p = 1; p <= size; p += 7)
      REQUIRE(verified(to_json(take(f.prover->prove_event(p, size))), key).what.empty());
    for (std::uint64_t from = 0; from <= size; from += 5)
      REQUIRE(verified(to_json(take(f.prover->prove_consistency(from, size))), key).what.empty());
    CHECK(f.prover->prove_event(size + 1, size).error().code == ErrorCode::not_found);
    CHECK(f.prover->prove_consistency(size + 1, size).error().code == ErrorCode::not_found);
  }
  CHECK(f.prover->prove_event(1, 132).error().field == "size");
  CHECK(f.prover->checkpoint(132).error().code == ErrorCode::not_found);
  // What stands in the folder is the newest one all the same.
  CHECK(parse_checkpoint(parse_note(take(f.prover->checkpoint()))->text)->size == f.log().head());
}

TEST_CASE("rotation: trust in the first key reaches the third, unless a step is not endorsed") {
  ProverFixture f;
  const auto first = f.prover->verifier();
  f.rotate();
  const auto third = f.rotate();
  f.restart();
  CHECK(f.prover->verifier().text() == third);
  const auto file = take(f.prover->prove_event(2));
  REQUIRE(file.keys.size() == 3);
  const auto report = verified(to_json(file), first);
  CHECK(report.what.empty());
  CHECK(report.pinned);
  CHECK(report.signed_by == f.prover->verifier().id());
  auto changed = file;
  changed.keys[1].endorsement = changed.keys[2].endorsement;
  CHECK_THAT(verified(to_json(changed), first).what, Catch::Matchers::Contains("not endorsed"));
  CHECK_FALSE(verified(to_json(changed)).what.empty());
  changed = file;
  changed.keys.erase(changed.keys.begin() + 1);
  CHECK_FALSE(verified(to_json(changed), first).what.empty());
  // The later key was not there yet when the earlier one signed: trust does not go backwards.
  const auto text = to_json(file);
  CHECK(verified(text, parse_verifier_key(third).value()).pinned);
}

TEST_CASE("proof files: keys are what they were, whether trust leads over them or not") {
  ProverFixture f;
  f.fill(5);
  f.rotate();
  f.rotate();
  const std::optional<VerifierKey> last = f.prover->verifier();
  auto file = take(f.prover->prove_event(2));
  for (auto& key : file.keys) key.reason.clear();  // nobody signs it
  const auto text = to_json(file);
  REQUIRE(verified(text, last).what.empty());
  const auto from = text.find("\"keys\":["), to = text.find("\"events\":");
  REQUIRE(from < to);
  for (std::size_t i = from; i < to; ++i) {
    auto changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const auto report = verify_proof(changed, last);
    if (report && report->what.empty()) FAIL("byte " << i << " of " << text);
  }
  auto unsigned_key = file;
  unsigned_key.keys[1].endorsed_by.clear();
  CHECK_FALSE(verified(to_json(unsigned_key), last).what.empty());
}

TEST_CASE("a checkpoint by itself: its signature, by the key that is given") {
  ProverFixture f;
  f.fill(20);
  const std::optional<VerifierKey> key = f.prover->verifier();
  const auto note = take(f.prover->checkpoint());
  const auto report = verified(note, key);
  CHECK((report.what.empty() && report.pinned && report.kind == "checkpoint"));
  CHECK_THAT(report.claim, Catch::Matchers::StartsWith("the log had 21 events, with root "));
  CHECK(verify_proof(note, {}).error().code == ErrorCode::invalid_argument);
  ProverFixture other;
  CHECK_FALSE(verified(note, other.prover->verifier()).what.empty());
  for (std::size_t i = 0; i < note.size(); ++i) {
    auto changed = note;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const auto refused = verify_proof(changed, key);
    if (refused && refused->what.empty()) FAIL("byte " << i << " of " << note);
  }
}

TEST_CASE("proof files: every changed byte is refused or found") {
  ProverFixture f;
  f.fill(20);
  const auto key = f.prover->verifier();
  std::mt19937_64 random(5);
  for (const auto& file :
       {take(f.prover->prove_event(9)), take(f.prover->prove_stream("acme", "run/2")),
        take(f.prover->prove_consistency(9))}) {
    auto plain = file;
    plain.keys.clear();  // who trusts a key needs no others
    const auto text = to_json(plain);
    REQUIRE(verified(text, key).what.empty());
    for (std::size_t i = 0; i < text.size(); ++i) {
      auto changed = text;
      changed[i] = static_cast<char>(changed[i] ^ (1 << random() % 7));
      const auto report = verify_proof(changed, key);
      if (report && report->what.empty()) FAIL("byte " << i << " of " << text);
    }
  }
}

}  // namespace proof_file_tests
