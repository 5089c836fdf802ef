// Signed notes, checkpoints and keys, against published vectors where there are some.
#include <sys/stat.h>

#include "storage/base64.hpp"
#include "storage/note.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace note_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

SigningKey key_of(std::uint8_t byte) {
  const std::vector<std::uint8_t> secret(32, byte);
  auto key = SigningKey::from_secret(secret);
  REQUIRE(key);
  return *std::move(key);
}

std::string hex(Bytes bytes) {
  std::string out;
  for (const auto b : bytes) {
    out += "0123456789abcdef"[b >> 4];
    out += "0123456789abcdef"[b & 15];
  }
  return out;
}

}  // namespace

TEST_CASE("base64: the vectors of RFC 4648, and nothing but what it writes is read") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    CHECK(to_base64(as_bytes(plain)) == coded);
    const auto back = from_base64(coded);
    REQUIRE(back);
    CHECK(as_text(*back) == plain);
  }
  for (const char* wrong :
       {"Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zm 8", "Zm9v\n", "Zg==Zg==", "-_-_", "=AAA"})
    CHECK_FALSE(from_base64(wrong));
}

TEST_CASE("signing key: the first vector of RFC 8032, section 7.1") {
  const auto secret =
      parse_digest("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").value();
  const auto key = SigningKey::from_secret(secret.bytes);
  REQUIRE(key);
  CHECK(hex(key->public_key()) ==
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const auto signature = key->sign({});
  CHECK(hex(signature) ==
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
        "1cf9b46bd25bf5f0595bbe24655141438e7a100b");
  const VerifierKey verifier{"name", key->public_key()};
  CHECK(verifier.verify({}, signature));
  CHECK_FALSE(verifier.verify(as_bytes("x"), signature));
  CHECK_FALSE(verifier.verify({}, Bytes(signature).first(63)));
}

TEST_CASE("signing key: the file is for its owner only and gives the same key back") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "key.pem";
  CHECK(SigningKey::load(file).error().code == ErrorCode::not_found);
  const auto key = SigningKey::generate();
  REQUIRE(key);
  REQUIRE_FALSE(key->store(file));
  struct stat info {};
  REQUIRE(::stat(file.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(key->store(file));  // never over another one
  const auto again = SigningKey::load(file);
  REQUIRE(again);
  CHECK(again->public_key() == key->public_key());
  write_file(folder.path() / "bad.pem", "no key");
  CHECK(SigningKey::load(folder.path() / "bad.pem").error().code == ErrorCode::corrupt);
}

TEST_CASE("verifier key and note: the example of Go's note package verifies") {
  const auto key =
      parse_verifier_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  REQUIRE(key);
  const std::string text =
      "If you think cryptography is the answer to your problem,\n"
      "then you don't know what your problem is.\n\n"
      "\xE2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKv"
      "qfqdngotpRZb6KE6RyyBwJnAM=\n";
  const auto note = parse_note(text);
  REQUIRE(note);
  CHECK(note->is_signed_by(*key));
  CHECK(note->encode() == text);
}

TEST_CASE("verifier key: its text reads back, and no changed one does") {
  const auto mine = VerifierKey{"example.com/foo", key_of(1).public_key()};
  const auto back = parse_verifier_key(mine.text());
  REQUIRE(back);
  CHECK(*back == mine);
  const auto text = mine.text();
  for (const std::string& wrong : {std::string("a"), std::string("a+b"), text + "A", "x" + text,
                                   std::string("+00000000+AAAA"), text.substr(0, text.size() - 4)})
    CHECK_FALSE(parse_verifier_key(wrong));
}

TEST_CASE("note: signed by several, read back, and every changed byte is seen") {
  const auto a = key_of(1), b = key_of(2);
  const VerifierKey va{"log.example/a", a.public_key()}, vb{"log.example/b", b.public_key()};
  Note note{.text = "a text\n\nwith an empty line\n"};
  note.sign(va, a);
  note.sign(vb, b);
  const auto text = note.encode();
  const auto back = parse_note(text);
  REQUIRE(back);
  CHECK(back->text == note.text);
  CHECK(back->encode() == text);
  CHECK(back->is_signed_by(va));
  CHECK(back->is_signed_by(vb));
  CHECK_FALSE(back->is_signed_by({"log.example/b", a.public_key()}));
  CHECK_FALSE(back->is_signed_by({"log.example/c", key_of(3).public_key()}));
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const auto parsed = parse_note(changed);
    if (parsed) CHECK_FALSE((parsed->is_signed_by(va) && parsed->is_signed_by(vb)));
  }
  for (const std::string wrong : {"", "text\n", "text\n\n", "text\n\nno signature\n"})
    CHECK_FALSE(parse_note(wrong));
  CHECK_FALSE(parse_note(text.substr(0, text.size() - 1)));
}

TEST_CASE("checkpoint: its text, with and without the root of the streams") {
  Checkpoint c{"mlforge/x", 42, sha256(as_bytes("root")), std::nullopt};
  CHECK(c.text() == "mlforge/x\n42\n" + to_base64(c.root.bytes) + "\n");
  for (const bool streams : {false, true}) {
    if (streams) c.streams = sha256(as_bytes("streams"));
    const auto back = parse_checkpoint(c.text());
    REQUIRE(back);
    CHECK(back->origin == c.origin);
    CHECK(back->size == 42);
    CHECK(back->root == c.root);
    CHECK(back->streams == c.streams);
  }
  CHECK(parse_checkpoint(c.text() + "another extension\n"));
  const auto root = to_base64(c.root.bytes);
  for (const std::string& wrong : std::vector<std::string>{
           std::string(), std::string("a\n1\n"), "a\n01\n" + root + "\n", "a\n-1\n" + root + "\n",
           "\n1\n" + root + "\n", "a\n1\nAAAA\n", "a\n1\n" + root, "a\n1\n" + root + "\n\n",
           "a\n1\n" + root + "\nstreams x\n", c.text() + "streams " + root + "\n"})
    CHECK_FALSE(parse_checkpoint(wrong));
}

}  // namespace note_tests
