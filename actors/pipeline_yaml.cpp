#include "actors/pipeline_yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <cmath>
#include <sstream>

namespace mlforge::actors {
namespace {

std::string place(int line, int column) {
  if (line <= 0) return "override: ";
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": ";
}

// What the handler throws through yaml-cpp's parser; caught in parse_yaml.
struct Stop {
  Error error;
};

// Builds the tree from the parser's events. An open container lives on the stack until it ends, so
// an alias can only name a finished node.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}
  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(node(mark, YamlNode::Kind::null), anchor, 1);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto at = anchors_.find(anchor);
    if (at == anchors_.end()) stop(mark, "an alias cannot stand inside the node that it names");
    add(at->second.node, 0, at->second.size);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    auto scalar = node(mark, YamlNode::Kind::scalar);
    scalar.quoted = tag == "!";
    if (!scalar.quoted && (value == "~" || value == "null" || value.empty()))
      scalar.kind = YamlNode::Kind::null;
    scalar.text = value;
    add(std::move(scalar), anchor, 1);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(node(mark, YamlNode::Kind::sequence), anchor, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(node(mark, YamlNode::Kind::map), anchor, mark);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::size_t nodes_before = 0;
    bool has_key = false;
  };
  struct Anchored {
    YamlNode node;
    std::size_t size = 0;  // how many nodes it stands for
  };

  [[noreturn]] static void stop(const YAML::Mark& mark, std::string_view message) {
    throw Stop{
        {ErrorCode::malformed, place(mark.line + 1, mark.column + 1) + std::string(message), ""}};
  }
  [[noreturn]] static void stop(const YamlNode& at, std::string_view message) {
    throw Stop{{ErrorCode::malformed, place(at.line, at.column) + std::string(message), ""}};
  }
  static void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!")
      stop(mark, "tags such as '" + tag + "' are not supported; write the value without one");
  }
  static YamlNode node(const YAML::Mark& mark, YamlNode::Kind kind) {
    YamlNode out;
    out.kind = kind;
    out.line = mark.line + 1;
    out.column = mark.column + 1;
    return out;
  }

  void count(const YamlNode& at, std::size_t size) {
    nodes_ += size;
    if (nodes_ > limits_.nodes)
      stop(at, "the document has more than " + std::to_string(limits_.nodes) +
                   " nodes, aliases counted with all that they stand for");
  }
  void open(YamlNode opened, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (stack_.size() >= limits_.depth)
      stop(mark, "nodes are nested more than " + std::to_string(limits_.depth) + " deep");
    const auto before = nodes_;
    count(opened, 1);
    stack_.push_back({std::move(opened), anchor, before, false});
  }
  void close() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    const auto size = nodes_ - done.nodes_before;
    if (done.anchor) anchors_[done.anchor] = {done.node, size};
    place_in_parent(std::move(done.node));
  }
  void add(YamlNode added, YAML::anchor_t anchor, std::size_t size) {
    count(added, size);
    if (anchor) anchors_[anchor] = {added, size};
    place_in_parent(std::move(added));
  }
  void place_in_parent(YamlNode child) {
    if (stack_.empty()) {
      root_ = std::move(child);
      return;
    }
    auto& parent = stack_.back();
    if (parent.node.kind == YamlNode::Kind::sequence) {
      parent.node.items.push_back(std::move(child));
    } else if (parent.has_key) {
      parent.node.entries.back().value = std::move(child);
      parent.has_key = false;
    } else {
      add_key(parent, child);
    }
  }
  static void add_key(Open& parent, const YamlNode& key) {
    if (key.kind != YamlNode::Kind::scalar) stop(key, "a key must be a plain text");
    if (key.text == "<<" && !key.quoted)
      stop(key, "merges ('<<') are not supported; write the keys out");
    if (const auto* first = parent.node.find(key.text))
      stop(key,
           "key '" + key.text + "' is given twice, first in line " + std::to_string(first->line));
    parent.node.entries.push_back({key.text, key.line, key.column, {}});
    parent.has_key = true;
  }

  YamlLimits limits_;
  YamlNode root_;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
};

// The first part of a dotted path; `rest` loses it.
std::string_view next_part(std::string_view& rest) {
  const auto dot = rest.find('.');
  const auto part = rest.substr(0, dot);
  rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
  return part;
}

void forget_places(YamlNode& node) {
  node.line = node.column = 0;
  for (auto& item : node.items) forget_places(item);
  for (auto& entry : node.entries) {
    entry.line = entry.column = 0;
    forget_places(entry.value);
  }
}

template <class T>
bool parse_whole(const std::string& text, T& out) {
  const auto* end = text.data() + text.size();
  const auto [at, failed] = std::from_chars(text.data(), end, out);
  return failed == std::errc{} && at == end;
}

// yaml-cpp takes a text with control characters for the end of it.
Status check_characters(std::string_view text) {
  int line = 1, column = 1;
  for (const unsigned char c : text) {
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
      return Error{ErrorCode::malformed,
                   place(line, column) + "a control character, which YAML does not have", ""};
    column = c == '\n' ? 1 : column + 1;
    line += c == '\n';
  }
  return {};
}

}  // namespace

const YamlEntry* YamlNode::find(std::string_view key) const {
  for (const auto& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

YamlEntry* YamlNode::find(std::string_view key) {
  for (auto& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

Expected<YamlNode> parse_yaml(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes)
    return Error{ErrorCode::payload_too_large,
                 "the YAML text has " + std::to_string(text.size()) + " bytes; at most " +
                     std::to_string(limits.bytes) + " are read",
                 ""};
  if (auto bad = check_characters(text)) return *bad;
  TreeBuilder builder(limits);
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    if (parser.HandleNextDocument(builder)) {
      TreeBuilder second(limits);
      if (parser.HandleNextDocument(second))
        return Error{ErrorCode::malformed, "the text holds a second YAML document; one is read",
                     ""};
    }
  } catch (const Stop& stopped) {
    return stopped.error;
  } catch (const YAML::Exception& e) {
    return Error{ErrorCode::malformed, place(e.mark.line + 1, e.mark.column + 1) + e.msg, ""};
  } catch (const std::exception& e) {
    return Error{ErrorCode::malformed, std::string("the YAML text cannot be read: ") + e.what(),
                 ""};
  }
  auto root = builder.take();
  if (root.line == 0) root.line = root.column = 1;  // no document at all
  return root;
}

Status set_path(YamlNode& root, std::string_view path, std::string_view value) {
  const std::string whole(path);
  const auto fault = [&](std::string_view message) {
    return Error{ErrorCode::invalid_argument, "override " + whole + ": " + std::string(message),
                 whole};
  };
  auto parsed = parse_yaml(value);
  if (!parsed) return fault("its value does not parse as YAML: " + parsed.error().message);
  forget_places(*parsed);
  YamlNode* at = &root;
  while (true) {
    const auto part = next_part(path);
    if (part.empty()) return fault("an empty part in a dotted path");
    if (at->kind == YamlNode::Kind::null) at->kind = YamlNode::Kind::map;
    if (at->kind != YamlNode::Kind::map)
      return fault("what stands before '" + std::string(part) + "' is no map");
    auto* entry = at->find(part);
    if (!entry) entry = &at->entries.emplace_back(YamlEntry{std::string(part), 0, 0, {}});
    at = &entry->value;
    if (path.empty()) break;
  }
  *at = std::move(*parsed);
  return {};
}

const YamlNode& nearest(const YamlNode& root, std::string_view path) {
  const YamlNode* at = &root;
  while (!path.empty()) {
    const auto part = next_part(path);
    const auto bracket = part.find('[');
    const auto* entry = at->find(part.substr(0, bracket));
    if (!entry) break;
    at = &entry->value;
    if (bracket == std::string_view::npos) continue;
    std::size_t index = 0;
    std::from_chars(part.data() + bracket + 1, part.data() + part.size(), index);
    if (index < at->items.size()) at = &at->items[index];
  }
  return *at;
}

Error yaml_fault(int line, int column, ErrorCode code, const std::string& path,
                 std::string_view message) {
  return {code,
          place(line, column) + (path.empty() ? "the document" : path) + " " + std::string(message),
          path};
}

Error yaml_fault(const YamlNode& at, const std::string& path, std::string_view message) {
  return yaml_fault(at.line, at.column, ErrorCode::invalid_argument, path, message);
}

namespace yaml {

Error wrong_type(const YamlNode& at, const std::string& path, std::string_view wanted) {
  std::string got;
  switch (at.kind) {
    case YamlNode::Kind::null:
      got = "nothing";
      break;
    case YamlNode::Kind::scalar:
      got = (at.quoted ? "the text '" : "'") + at.text.substr(0, 60) + "'";
      break;
    case YamlNode::Kind::sequence:
      got = "a list";
      break;
    case YamlNode::Kind::map:
      got = "a map";
      break;
  }
  return yaml_fault(at, path, "must be " + std::string(wanted) + ", not " + got);
}

Error unknown_key(const YamlEntry& at, const std::string& path, std::string_view allowed) {
  return yaml_fault(at.line, at.column, ErrorCode::unknown_field, path,
                    "is not a key of this place; the keys are " + std::string(allowed));
}

Status read(const YamlNode& in, const std::string& path, bool& out) {
  const bool plain = in.kind == YamlNode::Kind::scalar && !in.quoted;
  if (!plain || (in.text != "true" && in.text != "false"))
    return wrong_type(in, path, "true or false");
  out = in.text == "true";
  return {};
}

Status read(const YamlNode& in, const std::string& path, double& out) {
  const bool plain = in.kind == YamlNode::Kind::scalar && !in.quoted;
  if (!plain || !parse_whole(in.text, out) || !std::isfinite(out))
    return wrong_type(in, path, "a finite number");
  return {};
}

Status read(const YamlNode& in, const std::string& path, std::uint64_t& out) {
  const bool plain = in.kind == YamlNode::Kind::scalar && !in.quoted;
  if (!plain || !parse_whole(in.text, out)) return wrong_type(in, path, "a whole number from 0 on");
  return {};
}

Status read(const YamlNode& in, const std::string& path, std::string& out) {
  if (in.kind != YamlNode::Kind::scalar) return wrong_type(in, path, "a text");
  out = in.text;
  return {};
}

Status read(const YamlNode& in, const std::string&, YamlNode& out) {
  out = in;
  return {};
}

}  // namespace yaml

}  // namespace mlforge::actors
