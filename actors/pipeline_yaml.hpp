// YAML as a strict tree with places, and a reader into every struct with fields().
//
// Stricter than yaml-cpp's own loader: a key given twice, a merge (`<<`), a tag, a second document,
// an alias of a node that is not finished, too deep or too many nodes (aliases count with all that
// they stand for) are errors. Pure; any thread.
#pragma once
#include <charconv>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"
#include "events/fields.hpp"

namespace mlforge::actors {

struct YamlEntry;

struct YamlNode {
  enum class Kind { null, scalar, sequence, map };
  Kind kind = Kind::null;
  bool quoted = false;       // then the scalar is a text, whatever it looks like
  int line = 0, column = 0;  // from 1; 0: it comes from an override
  std::string text;
  std::vector<YamlNode> items;     // of a sequence
  std::vector<YamlEntry> entries;  // of a map, in order of appearance; keys differ

  const YamlEntry* find(std::string_view key) const;
  YamlEntry* find(std::string_view key);
};

struct YamlEntry {
  std::string key;
  int line = 0, column = 0;  // of the key
  YamlNode value;
};

struct YamlLimits {
  std::size_t bytes = 256 << 10;
  std::size_t nodes = 10'000;
  std::size_t depth = 32;
};

// malformed, its message starting with "line L, column C: ", or payload_too_large. An empty text is
// a null node.
Expected<YamlNode> parse_yaml(std::string_view text, const YamlLimits& limits = {});

// Sets the node at a dotted path ("steps.train.rounds") to `value`, itself YAML; maps on the way
// are made where they are missing. The error names the path: a part that is no map, an empty part.
Status set_path(YamlNode& root, std::string_view path, std::string_view value);

// The deepest node that exists on the way along a dotted path ("steps.train.needs[1]").
const YamlNode& nearest(const YamlNode& root, std::string_view path);

// An error about the node: "line L, column C: <path> <message>".
Error yaml_fault(int line, int column, ErrorCode code, const std::string& path,
                 std::string_view message);
Error yaml_fault(const YamlNode& at, const std::string& path, std::string_view message);

namespace yaml {

Error wrong_type(const YamlNode& at, const std::string& path, std::string_view wanted);
Error unknown_key(const YamlEntry& at, const std::string& path, std::string_view allowed);
inline std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

Status read(const YamlNode& in, const std::string& path, bool& out);
Status read(const YamlNode& in, const std::string& path, double& out);  // finite
Status read(const YamlNode& in, const std::string& path, std::uint64_t& out);
Status read(const YamlNode& in, const std::string& path, std::string& out);  // any scalar
Status read(const YamlNode& in, const std::string& path, YamlNode& out);     // as it is

template <HasFields T>
Status read(const YamlNode& in, const std::string& path, T& out);
template <class T>
Status read(const YamlNode& in, const std::string& path, std::vector<T>& out);
template <class T>
Status read(const YamlNode& in, const std::string& path, std::map<std::string, T>& out);

template <class T>
Status read(const YamlNode& in, const std::string& path, std::optional<T>& out) {
  return read(in, path, out.emplace());
}

template <class T>
Status read(const YamlNode& in, const std::string& path, std::vector<T>& out) {
  if (in.kind != YamlNode::Kind::sequence) return wrong_type(in, path, "a list");
  out.clear();
  for (const auto& item : in.items) {
    T each{};
    if (auto bad = read(item, path + "[" + std::to_string(out.size()) + "]", each)) return bad;
    out.push_back(std::move(each));
  }
  return {};
}

template <class T>
Status read(const YamlNode& in, const std::string& path, std::map<std::string, T>& out) {
  if (in.kind != YamlNode::Kind::map) return wrong_type(in, path, "a map");
  out.clear();
  for (const auto& entry : in.entries)
    if (auto bad = read(entry.value, join(path, entry.key), out[entry.key])) return bad;
  return {};
}

template <HasFields T>
Status read(const YamlNode& in, const std::string& path, T& out) {
  if (in.kind != YamlNode::Kind::map) return wrong_type(in, path, "a map");
  for (const auto& entry : in.entries) {
    Status failed;
    bool known = false;
    std::string allowed;
    for_each_field<T>([&](const auto& f) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(f.name);
      if (entry.key != f.name) return;
      known = true;
      failed = read(entry.value, join(path, entry.key), out.*(f.member));
    });
    if (!known) return unknown_key(entry, join(path, entry.key), allowed);
    if (failed) return failed;
  }
  Status missing;
  for_each_field<T>([&](const auto& f) {
    if (f.required && !missing && !in.find(f.name))
      missing = yaml_fault(in, join(path, f.name), "is missing");
  });
  return missing;
}

}  // namespace yaml

}  // namespace mlforge::actors
