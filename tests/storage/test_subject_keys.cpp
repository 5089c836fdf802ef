#include "storage/subject_keys.hpp"

#include <sys/stat.h>

#include "events/event_codec.hpp"
#include "events/subjects.hpp"
#include "storage/verify_subject_keys.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace mlforge::storage {
namespace {

struct Keys {
  TemporaryFolder folder;
  std::filesystem::path file = subject_keys_file(folder.path());
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::unique_ptr<SubjectKeys> keys = open();

  std::unique_ptr<SubjectKeys> open() {
    auto opened = SubjectKeys::open(file, clock);
    INFO((opened ? std::string() : opened.error().message));
    REQUIRE(opened);
    return *std::move(opened);
  }
  SubjectKeyPtr of(const std::string& subject) {
    auto key = keys->key_of("acme", subject);
    INFO((key ? std::string() : key.error().message));
    REQUIRE(key);
    return *key;
  }
  bool on_disk(std::string_view bytes) const {
    return read_file(file).find(bytes) != std::string::npos;
  }
};

std::string secret_of(const SubjectKeyPtr& key) {
  return {reinterpret_cast<const char*>(key->secret.data()), key->secret.size()};
}

const SealId kContext = seal_context("acme", "run/r1", "tags.user");

}  // namespace

TEST_CASE("subject keys: a text comes back, and only with its key and unchanged") {
  Keys f;
  const auto ann = f.of("ann-of-the-example"), bob = f.of("bob");
  for (const std::string& clear :
       {std::string("x"), std::string("Ann \0 M\xC3\xBCller", 13), std::string(100000, 'a')}) {
    const auto text = seal(*ann, kContext, clear);
    const auto sealed = parse_sealed(text);
    REQUIRE(sealed);
    CHECK(text.find("ann-of") == text.npos);
    CHECK(clear_bytes(text) == clear.size());
    CHECK(unseal(*ann, *sealed) == clear);
    CHECK_FALSE(unseal(*bob, *sealed));
    auto other = *sealed;
    other.key_id = bob->id;
    CHECK_FALSE(unseal(*bob, other));
  }
  const auto sealed = *parse_sealed(seal(*ann, kContext, "secret"));
  for (std::size_t i = 0; i < sealed.box.size(); ++i) {
    auto changed = sealed;
    changed.box[i] = static_cast<char>(changed.box[i] ^ 1);
    CHECK_FALSE(unseal(*ann, changed));
  }
  for (std::size_t i = 0; i < sealed.context.size(); ++i) {
    auto moved = sealed;
    moved.context[i] ^= 1;
    CHECK_FALSE(unseal(*ann, moved));
  }
  auto shorter = sealed;
  shorter.box.pop_back();
  CHECK_FALSE(unseal(*ann, shorter));
}

TEST_CASE("subject keys: a text is bound to tenant, stream and field") {
  Keys f;
  const auto ann = f.of("ann");
  const auto text = seal(*ann, kContext, "secret");
  CHECK(f.keys->open_text("acme", text, &kContext) == "secret");
  CHECK(f.keys->open_text("acme", text) == "secret");
  for (const auto& other :
       {seal_context("acme", "run/r2", "tags.user"), seal_context("acme", "run/r1", "tags.users"),
        seal_context("acme2", "run/r1", "tags.user"), seal_context("acm", "erun/r1", "tags.user")})
    CHECK_FALSE(f.keys->open_text("acme", text, &other));
  CHECK_FALSE(f.keys->open_text("other", text));
}

TEST_CASE("subject keys: the same text in the same place is the same bytes, another is not") {
  Keys f;
  const auto ann = f.of("ann");
  CHECK(seal(*ann, kContext, "a") == seal(*ann, kContext, "a"));
  CHECK(seal(*ann, kContext, "a") != seal(*ann, kContext, "b"));
  const auto elsewhere = seal_context("acme", "run/r2", "tags.user");
  const auto here = *parse_sealed(seal(*ann, kContext, "a"));
  const auto there = *parse_sealed(seal(*ann, elsewhere, "a"));
  CHECK(here.box.substr(0, kSealNonceBytes) != there.box.substr(0, kSealNonceBytes));
  CHECK(keyed_fingerprint(*ann, "a") != keyed_fingerprint(*f.of("bob"), "a"));
  CHECK(keyed_fingerprint(*ann, "a") == keyed_fingerprint(*ann, "a"));
}

TEST_CASE("subject keys: keys are on disk when they are given, and nobody else may read them") {
  Keys f;
  CHECK_FALSE(std::filesystem::exists(f.file));
  const auto ann = f.of("ann");
  const std::vector<std::string> names{"bob", "ann", "bob", "cleo"};
  const auto several = f.keys->keys_of("acme", names);
  REQUIRE(several);
  CHECK(several->at(1) == ann);
  CHECK(several->at(0) == several->at(2));
  struct stat info {};
  REQUIRE(::stat(f.file.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(info.st_size == 4 * 512);
  const auto text = seal(*ann, kContext, "secret");
  const auto again = f.open();
  CHECK(again->open_text("acme", text) == "secret");
  CHECK(again->list("acme").size() == 3);
  CHECK(again->list("other").empty());
  CHECK(again->find("acme", "cleo").size() == 1);
  CHECK(again->find("acme", "cleo").front()->created == f.clock->time);
}

TEST_CASE("subject keys: names that are none are refused") {
  Keys f;
  for (const auto& name : {std::string(), std::string(201, 'a'), std::string("a\nb")}) {
    const auto key = f.keys->key_of("acme", name);
    REQUIRE_FALSE(key);
    CHECK(key.error().code == ErrorCode::invalid_argument);
    CHECK(key.error().field == "subject");
  }
  CHECK(f.keys->key_of("acme", std::string(200, 'a')));
}

TEST_CASE("subject keys: a key that was destroyed is in no byte of the file, nor is the name") {
  Keys f;
  const auto ann = f.of("ann-of-the-example"), bob = f.of("bob");
  const auto text = seal(*ann, kContext, "secret"), other = seal(*bob, kContext, "kept");
  CHECK(f.on_disk(secret_of(ann)));
  CHECK(f.on_disk("ann-of-the-example"));
  const auto done = f.keys->shred(ann->id);
  REQUIRE(done);
  CHECK(*done);
  CHECK_FALSE(f.on_disk(secret_of(ann)));
  CHECK_FALSE(f.on_disk("ann-of-the-example"));
  const auto again = f.open();
  for (const auto* keys : {f.keys.get(), again.get()}) {
    CHECK_FALSE(keys->open_text("acme", text));
    CHECK(keys->open_text("acme", other) == "kept");
    CHECK(keys->damaged() == 0);
  }
  const auto twice = f.keys->shred(ann->id);
  REQUIRE(twice);
  CHECK_FALSE(*twice);
  CHECK(f.of("ann-of-the-example")->id != ann->id);
}

TEST_CASE("subject keys: a retired key still decrypts, and new texts get another") {
  Keys f;
  const auto first = f.of("ann");
  const auto text = seal(*first, kContext, "old");
  f.keys->retire("acme", "ann");
  const auto second = f.of("ann");
  CHECK(second->id != first->id);
  CHECK(f.keys->open_text("acme", text) == "old");
  CHECK(f.keys->find("acme", "ann").size() == 2);
}

TEST_CASE("subject keys: what the log says is destroyed is destroyed, whatever file comes back") {
  Keys f;
  MemoryLog log(f.clock, seeded_ids(1));
  const auto ann = f.of("ann"), bob = f.of("bob");
  const auto text = seal(*ann, kContext, "secret");
  const std::string file = read_file(f.file);
  AppendRequest shredded{.tenant = "acme", .actor = "ann"};
  shredded.events = {encode_event(SubjectShredded{.key_id = to_hex(ann->id), .reason = "asked"},
                                  std::string(kSubjectsStream))};
  must_append(log, shredded);
  // Killed here: the event is there, the key too.
  auto again = f.open();
  CHECK(again->open_text("acme", text) == "secret");
  const auto done = again->shred_recorded(log);
  REQUIRE(done);
  CHECK(*done == 1);
  CHECK_FALSE(again->open_text("acme", text));
  CHECK_FALSE(f.on_disk(secret_of(ann)));
  CHECK(*again->shred_recorded(log) == 0);
  // An old copy of the file in its place.
  again.reset();
  write_file(f.file, file);
  again = f.open();
  CHECK(again->open_text("acme", text) == "secret");
  CHECK(*again->shred_recorded(log) == 1);
  CHECK_FALSE(again->open_text("acme", text));
  CHECK(again->find("acme", "bob").size() == 1);
}

TEST_CASE("subject keys: import takes what is new, and nothing that was destroyed here") {
  Keys from, to;
  const auto ann = from.of("ann"), bob = from.of("bob");
  const auto text = seal(*ann, kContext, "secret"), other = seal(*bob, kContext, "kept");
  const auto first = to.keys->import(from.file);
  REQUIRE(first);
  CHECK(*first == 2);
  CHECK(to.keys->open_text("acme", text) == "secret");
  CHECK(*to.keys->import(from.file) == 0);
  REQUIRE(to.keys->shred(ann->id));
  CHECK(*to.keys->import(from.file) == 0);
  CHECK_FALSE(to.keys->open_text("acme", text));
  CHECK(to.open()->open_text("acme", other) == "kept");
  write_file(to.folder.path() / "other", std::string(2000, 'x'));
  CHECK(to.keys->import(to.folder.path() / "other").error().code == ErrorCode::corrupt);
  CHECK(to.keys->import(to.folder.path() / "none").error().code == ErrorCode::not_found);
}

// What a power cut leaves of a file that grew: less of it, zeros, or half a slot.
TEST_CASE("subject keys: torn tails are no keys, and what was there before stays") {
  Keys f;
  const auto ann = f.of("ann");
  const auto text = seal(*ann, kContext, "secret");
  const std::string whole = read_file(f.file);
  REQUIRE(whole.size() == 1024);
  for (const auto& tail : {std::string(512, '\0'), std::string(200, 'g'), std::string(100, '\0'),
                           std::string(512, 'g'), whole.substr(512, 100)}) {
    write_file(f.file, whole + tail);
    auto keys = f.open();
    CHECK(keys->open_text("acme", text) == "secret");
    CHECK(keys->list("acme").size() == 1);
    CHECK(keys->damaged() == (tail == std::string(512, 'g') ? 1 : 0));
    const auto bob = keys->key_of("acme", "bob");
    REQUIRE(bob);
    const auto other = seal(**bob, kContext, "new");
    keys = f.open();
    CHECK(keys->open_text("acme", other) == "new");
    CHECK(keys->open_text("acme", text) == "secret");
  }
  for (const std::size_t size : {0, 1, 511}) {
    write_file(f.file, whole.substr(0, size));
    auto keys = f.open();
    CHECK(keys->list("acme").empty());
    REQUIRE(keys->key_of("acme", "cleo"));
    CHECK(f.open()->list("acme").size() == 1);
  }
}

TEST_CASE("subject keys: every damaged byte of a slot is seen") {
  Keys f;
  const auto ann = f.of("ann");
  const auto text = seal(*ann, kContext, "secret");
  const std::string whole = read_file(f.file);
  for (std::size_t at = 512; at < 1024; ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    write_file(f.file, bytes);
    const auto keys = f.open();
    CHECK(keys->damaged() == 1);
    CHECK_FALSE(keys->open_text("acme", text));
    CHECK(count_damaged_keys(f.file).value() == 1);
    CHECK(read_file(f.file) == bytes);
  }
  CHECK(count_damaged_keys(f.folder.path() / "none").value() == 0);
  for (const auto& [bytes, damaged] :
       {std::pair(whole, 0), std::pair(whole + std::string(512, '\0'), 0),
        std::pair(whole.substr(0, 900), 1), std::pair("M" + whole.substr(1), 1)}) {
    write_file(f.file, bytes);
    CHECK(count_damaged_keys(f.file).value() == static_cast<std::uint64_t>(damaged));
  }
  write_file(f.file, "something else that is longer than a slot" + std::string(600, ' '));
  const auto other = SubjectKeys::open(f.file, f.clock);
  REQUIRE_FALSE(other);
  CHECK(other.error().code == ErrorCode::corrupt);
}

TEST_CASE("subject keys: reveal shows what is sealed, erased where it cannot be read") {
  Keys f;
  const auto ann = f.of("ann"), bob = f.of("bob");
  const auto one = seal(*ann, kContext, "Ann \"A\"\n"), two = seal(*bob, kContext, "Bob");
  const std::string json = "{\"a\":\"" + one + "\",\"b\":\"Run '" + two + "' of " + two + "\"}";
  CHECK(f.keys->reveal("acme", json) == "{\"a\":\"Ann \\\"A\\\"\\n\",\"b\":\"Run 'Bob' of Bob\"}");
  CHECK(f.keys->reveal("other", json) ==
        "{\"a\":\"[erased]\",\"b\":\"Run '[erased]' of [erased]\"}");
  REQUIRE(f.keys->shred(ann->id));
  CHECK(f.keys->reveal("acme", json) == "{\"a\":\"[erased]\",\"b\":\"Run 'Bob' of Bob\"}");
  for (const std::string text : {"", "{}", "mlforge-sealed:1:", "mlforge-sealed:1:AAAA~",
                                 "x mlforge-sealed:1:mlforge-sealed:1:~"})
    CHECK(f.keys->reveal("acme", text) == text);
}

}  // namespace mlforge::storage
