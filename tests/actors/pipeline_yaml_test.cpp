#include "actors/pipeline_yaml.hpp"

#include <catch2/catch.hpp>

namespace mlforge::actors::yaml_tests {
namespace {

std::string error_of(std::string_view text, const YamlLimits& limits = {}) {
  const auto parsed = parse_yaml(text, limits);
  return parsed ? "no error" : parsed.error().message;
}

struct Sample {
  bool flag = false;
  std::uint64_t count = 0;
  double share = 0;
  std::string name;
  std::vector<std::uint64_t> list;
  std::map<std::string, std::string> texts;
  static constexpr auto fields() {
    return FieldList{field("flag", &Sample::flag),   required("count", &Sample::count),
                     field("share", &Sample::share), field("name", &Sample::name),
                     field("list", &Sample::list),   field("texts", &Sample::texts)};
  }
};

std::string read_error(std::string_view text) {
  const auto node = parse_yaml(text);
  REQUIRE(node);
  Sample out;
  const auto bad = yaml::read(*node, "s", out);
  return bad ? bad->message : "no error";
}

}  // namespace

TEST_CASE("YAML becomes a tree with places", "[yaml]") {
  const auto root = parse_yaml("a: 1\nb:\n  - \"2\"\n  - {c: ~}\n");
  REQUIRE(root);
  REQUIRE(root->kind == YamlNode::Kind::map);
  REQUIRE(root->entries.size() == 2);
  CHECK(root->entries[1].key == "b");
  CHECK(root->entries[1].line == 2);
  CHECK(root->entries[1].column == 1);
  const auto& list = root->entries[1].value;
  REQUIRE(list.items.size() == 2);
  CHECK(list.items[0].quoted);
  CHECK(list.items[0].line == 3);
  CHECK(list.items[0].column == 5);
  CHECK(list.items[1].find("c")->value.kind == YamlNode::Kind::null);
}

TEST_CASE("An empty YAML text is a null node", "[yaml]") {
  const auto root = parse_yaml("");
  REQUIRE(root);
  CHECK(root->kind == YamlNode::Kind::null);
  CHECK(root->line == 1);
}

TEST_CASE("Bytes that are no text are malformed where they stand", "[yaml]") {
  const auto bytes = parse_yaml(std::string_view("a: 1\nb\0c: 2\n", 13));
  REQUIRE_FALSE(bytes);
  CHECK(bytes.error().code == ErrorCode::malformed);
  CHECK(bytes.error().message.starts_with("line 2, column 2: a control character"));
  CHECK(parse_yaml("a:\t1\r\n"));
}

TEST_CASE("What yaml-cpp accepts silently is refused", "[yaml]") {
  CHECK(error_of("a: 1\nb: 2\na: 3\n") ==
        "line 3, column 1: key 'a' is given twice, first in line 1");
  CHECK(error_of("x: {k: 1, k: 2}") ==
        "line 1, column 11: key 'k' is given twice, first in line 1");
  CHECK(error_of("base: &b {k: 1}\nx:\n  <<: *b\n") ==
        "line 3, column 3: merges ('<<') are not supported; write the keys out");
  CHECK(error_of("a: !!binary aGk=\n").find("line 1, column 4: tags such as") == 0);
  CHECK(error_of("a: 1\n---\nb: 2\n") == "the text holds a second YAML document; one is read");
  CHECK(error_of("[a]: 1\n") == "line 1, column 1: a key must be a plain text");
  CHECK(error_of("a: &x [1, *x]\n") ==
        "line 1, column 11: an alias cannot stand inside the node that it names");
}

TEST_CASE("What is no YAML is malformed with line and column", "[yaml]") {
  const auto parsed = parse_yaml("a: [1, 2\nb: 3\n");
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == ErrorCode::malformed);
  CHECK(parsed.error().message.find("line ") == 0);
  CHECK(error_of("a: *nowhere\n").find("line 1, column 4: ") == 0);
  CHECK(error_of("\ta: 1\n") != "no error");
}

TEST_CASE("An alias stands for its node", "[yaml]") {
  const auto root = parse_yaml("a: &x {k: 1}\nb: *x\n");
  REQUIRE(root);
  CHECK(root->find("b")->value.find("k")->value.text == "1");
}

TEST_CASE("An alias bomb meets the budget before it grows", "[yaml]") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i) {
    const auto before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += (k ? ", " : "") + before;
    bomb += "]\n";
  }
  CHECK(error_of(bomb).find("more than 10000 nodes") != std::string::npos);
}

TEST_CASE("Depth and bytes have limits", "[yaml]") {
  CHECK(error_of(std::string(33, '[') + std::string(33, ']')).find("more than 32 deep") !=
        std::string::npos);
  CHECK(error_of(std::string(32, '[') + std::string(32, ']')) == "no error");
  const auto big = parse_yaml("a: 12345", {.bytes = 7});
  REQUIRE_FALSE(big);
  CHECK(big.error().code == ErrorCode::payload_too_large);
}

TEST_CASE("Structs are read with their types", "[yaml]") {
  const auto node = parse_yaml(
      "flag: true\ncount: 7\nshare: 2.5e-1\nname: 1.50\nlist: [1, 2]\ntexts: {a: 1, b: \"x\"}");
  REQUIRE(node);
  Sample out;
  REQUIRE_FALSE(yaml::read(*node, "", out));
  CHECK(out.flag);
  CHECK(out.count == 7);
  CHECK(out.share == 0.25);
  CHECK(out.name == "1.50");
  CHECK(out.list == std::vector<std::uint64_t>{1, 2});
  CHECK(out.texts == std::map<std::string, std::string>{{"a", "1"}, {"b", "x"}});
}

TEST_CASE("A wrong type names place, path and what would be right", "[yaml]") {
  CHECK(read_error("count: many") ==
        "line 1, column 8: s.count must be a whole number from 0 on, not 'many'");
  CHECK(read_error("count: -1") ==
        "line 1, column 8: s.count must be a whole number from 0 on, not '-1'");
  CHECK(read_error("count: \"1\"") ==
        "line 1, column 8: s.count must be a whole number from 0 on, not the text '1'");
  CHECK(read_error("count: 1\nshare: .nan") ==
        "line 2, column 8: s.share must be a finite number, not '.nan'");
  CHECK(read_error("count: 1\nflag: yes") ==
        "line 2, column 7: s.flag must be true or false, not 'yes'");
  CHECK(read_error("count: 1\nlist: 3") == "line 2, column 7: s.list must be a list, not '3'");
  CHECK(read_error("count: 1\nlist: [1, {}]") ==
        "line 2, column 11: s.list[1] must be a whole number from 0 on, not a map");
  CHECK(read_error("count: 1\ntexts: {a: [1]}") ==
        "line 2, column 12: s.texts.a must be a text, not a list");
  CHECK(read_error("count: 1\nname:") == "line 2, column 1: s.name must be a text, not nothing");
  CHECK(read_error("flag: true") == "line 1, column 1: s.count is missing");
  CHECK(read_error("count: 1\ncuont: 2") ==
        "line 2, column 1: s.cuont is not a key of this place; the keys are flag, count, share, "
        "name, list, texts");
}

TEST_CASE("A dotted path sets a node", "[yaml]") {
  auto root = *parse_yaml("a: {b: 1}\nc: 2\n");
  REQUIRE_FALSE(set_path(root, "a.b", "[1, 2]"));
  REQUIRE_FALSE(set_path(root, "a.new.deep", "x"));
  CHECK(root.find("a")->value.find("b")->value.items.size() == 2);
  CHECK(root.find("a")->value.find("new")->value.find("deep")->value.text == "x");
  CHECK(set_path(root, "c.d", "1")->message == "override c.d: what stands before 'd' is no map");
  CHECK(set_path(root, "a..b", "1")->message == "override a..b: an empty part in a dotted path");
  CHECK(set_path(root, "a.b", "[1")->message.find("override a.b: its value does not parse") == 0);
}

}  // namespace mlforge::actors::yaml_tests
