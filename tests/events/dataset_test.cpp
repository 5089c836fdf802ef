#include "tests/events/given.hpp"

namespace mlforge::test {
namespace {

const std::string a = digest_of('a'), b = digest_of('b'), c = digest_of('c');
const FileRef train_a{"train.csv", a, 10}, train_b{"train.csv", b, 20}, test_c{"test.csv", c, 30};

StageFiles stage(std::vector<FileRef> files) {
  return {.dataset = "adult", .source = "UCI", .files = std::move(files)};
}
CommitDataset commit(std::vector<FileRef> files, const std::string& digest = digest_of('d')) {
  return {.dataset = "adult", .message = "first", .digest = digest, .files = std::move(files)};
}
DatasetFileStaged staged(const FileRef& file) {
  return {.path = file.path, .digest = file.digest, .bytes = file.bytes};
}
const DatasetCreated created{.name = "adult", .source = "UCI"};

Events with_version_one() {
  return {created, staged(train_a),
          DatasetCommitted{.version = 1, .digest = digest_of('1'), .files = {train_a}}};
}

}  // namespace

TEST_CASE("dataset: the first file that is staged creates it") {
  given<DatasetState>()
      .when(stage({train_a, test_c}))
      .then({created, staged(train_a), staged(test_c)})
      .when(stage({train_a}))
      .nothing()
      .when(stage({train_b, test_c}))
      .then({staged(train_b)});
}

TEST_CASE("dataset: what cannot be staged is refused with the field") {
  const auto none = given<DatasetState>();
  none.when(stage({})).refused(ErrorCode::invalid_argument, "files", "at least one");
  none.when(StageFiles{.dataset = "a/b", .files = {train_a}})
      .refused(ErrorCode::invalid_argument, "dataset", "slash");
  none.when(stage({{"../up", a, 1}})).refused(ErrorCode::invalid_argument, "files.path");
  none.when(stage({{"x", "abc", 1}})).refused(ErrorCode::invalid_argument, "files.digest", "64");
  none.when(stage({train_a, train_b})).refused(ErrorCode::invalid_argument, "files.path", "twice");
}

TEST_CASE("dataset: a commit takes what is staged over the version before") {
  const auto one =
      given<DatasetState>({created, staged(train_a)})
          .when(commit({train_a}))
          .then({DatasetCommitted{
              .version = 1, .digest = digest_of('d'), .message = "first", .files = {train_a}}});
  one.when(commit({train_a})).refused(ErrorCode::conflict, "", "nothing is staged");
  one.when(stage({train_a})).nothing();
  const auto two = one.when(stage({test_c})).then({staged(test_c)});
  CHECK(files_to_commit(two.state()) == std::vector<FileRef>{test_c, train_a});
  two.when(commit({test_c, train_a}, digest_of('e')))
      .then({DatasetCommitted{
          .version = 2, .digest = digest_of('e'), .message = "first", .files = {test_c, train_a}}});
}

TEST_CASE("dataset: a commit of what was not validated, or of the same again, is a conflict") {
  given<DatasetState>().when(commit({})).refused(ErrorCode::not_found, "", "adult");
  given<DatasetState>({created}).when(commit({})).refused(ErrorCode::conflict, "", "add files");
  const auto changed = given<DatasetState>({created, staged(train_a), staged(test_c)});
  changed.when(commit({train_a})).refused(ErrorCode::conflict, "", "changed during the commit");
  auto events = with_version_one();
  events.push_back(staged(train_b));
  events.push_back(staged(train_a));
  given<DatasetState>(events)
      .when(commit({train_a}, digest_of('1')))
      .refused(ErrorCode::conflict, "", "equal version 1");
}

TEST_CASE("dataset: removing a staged file brings the committed one back, then removes that") {
  auto events = with_version_one();
  events.push_back(staged(train_b));
  events.push_back(staged(test_c));
  const UnstageFile remove{.dataset = "adult", .path = "train.csv"};
  const auto back =
      given<DatasetState>(events).when(remove).then({DatasetFileUnstaged{.path = "train.csv"}});
  CHECK(files_to_commit(back.state()) == std::vector<FileRef>{test_c, train_a});
  const auto gone = back.when(remove).then({DatasetFileUnstaged{.path = "train.csv"}});
  CHECK(files_to_commit(gone.state()) == std::vector<FileRef>{test_c});
  gone.when(remove).nothing();
  gone.when(UnstageFile{.dataset = "adult", .path = "no.csv"}).refused(ErrorCode::not_found);
  given<DatasetState>().when(remove).refused(ErrorCode::not_found);
  // A removed file can be staged again, also with the bytes that it had.
  const auto again = gone.when(stage({train_a})).then({staged(train_a)});
  CHECK(files_to_commit(again.state()) == std::vector<FileRef>{test_c, train_a});
}

TEST_CASE("dataset: a removal alone is a new version") {
  auto events = with_version_one();
  events.push_back(staged(test_c));
  events.push_back(DatasetFileUnstaged{.path = "test.csv"});
  given<DatasetState>(events).when(commit({train_a})).refused(ErrorCode::conflict, "", "nothing");
  events = with_version_one();
  events.push_back(DatasetFileUnstaged{.path = "train.csv"});
  events.push_back(staged(test_c));
  given<DatasetState>(events)
      .when(commit({test_c}))
      .then({DatasetCommitted{
          .version = 2, .digest = digest_of('d'), .message = "first", .files = {test_c}}});
}

TEST_CASE("dataset: a version is valid where every check has passed") {
  const Check good{"range", "age", true, "17..90", "0..120"}, bad{"null_fraction", "age", false};
  const auto one = given<DatasetState>(with_version_one());
  CHECK_FALSE(one.state().versions[0].valid.has_value());
  const RecordValidation passed{"adult", 1, 100, 15, {good, good}};
  const auto valid = one.when(passed).then({DatasetValidated{
      .version = 1, .rows = 100, .columns = 15, .passed = true, .checks = {good, good}}});
  CHECK(valid.state().versions[0].valid == true);
  const auto invalid =
      valid.when(RecordValidation{"adult", 1, 100, 15, {good, bad}})
          .then({DatasetValidated{
              .version = 1, .rows = 100, .columns = 15, .passed = false, .checks = {good, bad}}});
  CHECK(invalid.state().versions[0].valid == false);
  one.when(RecordValidation{"adult", 0, 1, 1, {}}).refused(ErrorCode::not_found, "", "version");
  one.when(RecordValidation{"adult", 2, 1, 1, {}}).refused(ErrorCode::not_found, "", "'2'");
  given<DatasetState>().when(passed).refused(ErrorCode::not_found);
}

TEST_CASE("dataset: a commit carries the validation of its files") {
  const Check bad{"null_fraction", "age", false};
  auto command = commit({train_a});
  command.validation = RecordValidation{"adult", 0, 100, 15, {bad}};
  const auto one =
      given<DatasetState>({created, staged(train_a)})
          .when(command)
          .then(
              {DatasetCommitted{
                   .version = 1, .digest = digest_of('d'), .message = "first", .files = {train_a}},
               DatasetValidated{
                   .version = 1, .rows = 100, .columns = 15, .passed = false, .checks = {bad}}});
  CHECK(one.state().versions[0].valid == false);
}

TEST_CASE("dataset: the text behind a version's digest has one line a file") {
  CHECK(digest_text({}).empty());
  CHECK(digest_text({test_c, train_a}) == c + "  test.csv\n" + a + "  train.csv\n");
}

}  // namespace mlforge::test
