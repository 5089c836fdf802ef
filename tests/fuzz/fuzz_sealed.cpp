// Any text is taken for a sealed one only where it is written in exactly that way, what is found in
// a text is one, and showing a text with them leaves everything else as it was.
#include "storage/subject_keys.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace mlforge;
using namespace mlforge::storage;
using fuzz::require;

SubjectKey the_key() {
  SubjectKey key;
  key.id.fill(3);
  key.secret.fill(5);
  key.tenant = "default";
  return key;
}

}  // namespace

std::vector<std::string> mlforge::fuzz::seeds() {
  const auto context = seal_context("default", "run/a", "tags.a");
  std::vector<std::string> out;
  for (const std::string clear : {"", "a", "a longer text of some thirty bytes"})
    out.push_back(seal(the_key(), context, clear));
  out.push_back("{\"a\":\"" + out[1] + "\",\"b\":\"Run '" + out[2] + "'.\"}");
  return out;
}

std::vector<std::string> mlforge::fuzz::words() {
  return {std::string(kSealedPrefix), "~", "=", "==", "AAAA", "/", "+"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto sealed = parse_sealed(text)) {
    require(to_text(*sealed) == text);
    require(clear_bytes(text) + kSealNonceBytes + kSealTagBytes == sealed->box.size());
    if (const auto clear = unseal(the_key(), *sealed)) require(clear->size() == clear_bytes(text));
  }
  std::string rest;
  std::size_t at = 0;
  for (auto found = find_sealed(text); !found.empty(); found = find_sealed(text, at)) {
    require(parse_sealed(found).has_value());
    const auto begin = static_cast<std::size_t>(found.data() - text.data());
    require(begin >= at);
    rest.append(text.substr(at, begin - at)).append(kErased);
    at = begin + found.size();
  }
  rest.append(text.substr(at));
  static const auto keys = SubjectKeys::open("no-such-folder/subjects.keys", system_clock());
  require(keys.has_value());
  require((*keys)->reveal("default", std::string(text)) == rest);
  return 0;
}
