#include "tests/events/given.hpp"

namespace mlforge::test {
namespace {

LogKeyAdded key(std::string id, std::string endorsed_by = "") {
  LogKeyAdded k{.name = "mlforge/1", .key_id = std::move(id), .algorithm = "ed25519"};
  k.public_key = "AAAA";
  k.reason = "a test";
  k.endorsement = endorsed_by.empty() ? "" : "c2ln";
  k.endorsed_by = std::move(endorsed_by);
  return k;
}

}  // namespace

TEST_CASE("log keys: the first, then one after the other, each endorsed by the one before") {
  const auto first = key("00000001"), second = key("00000002", "00000001");
  given<LogKeysState>()
      .when(AddLogKey{first})
      .then({first})
      .when(AddLogKey{second})
      .then({second})
      .when(AddLogKey{key("00000003", "00000002")})
      .then({key("00000003", "00000002")});
}

TEST_CASE("log keys: where the key is lost, the next one stands without endorsement") {
  given<LogKeysState>({key("00000001")}).when(AddLogKey{key("00000002")}).then({key("00000002")});
}

TEST_CASE("log keys: what cannot be is refused with the field") {
  const auto one = given<LogKeysState>({key("00000001")});
  one.when(AddLogKey{key("00000001")}).refused(ErrorCode::already_exists, "key_id", "has had");
  one.when(AddLogKey{key("00000002", "00000009")}).refused(ErrorCode::conflict, "", "signs with");
  given<LogKeysState>()
      .when(AddLogKey{key("00000002", "00000009")})
      .refused(ErrorCode::conflict, "", "none yet");
  auto bad = key("00000002");
  bad.endorsed_by = "00000001";
  one.when(AddLogKey{bad}).refused(ErrorCode::invalid_argument, "endorsement");
  bad = key("2");
  one.when(AddLogKey{bad}).refused(ErrorCode::invalid_argument, "key_id");
  bad = key("00000002");
  bad.algorithm = "rsa";
  one.when(AddLogKey{bad}).refused(ErrorCode::invalid_argument, "algorithm");
  bad = key("00000002");
  bad.reason.clear();
  one.when(AddLogKey{bad}).refused(ErrorCode::invalid_argument, "reason");
  bad = key("00000002");
  bad.public_key.clear();
  one.when(AddLogKey{bad}).refused(ErrorCode::invalid_argument, "public_key");
  bad = key("00000002");
  bad.name.clear();
  one.when(AddLogKey{bad}).refused(ErrorCode::invalid_argument, "name");
}

}  // namespace mlforge::test
