#include "gateway/mlflow/search.hpp"

#include <algorithm>
#include <cmath>

#include "gateway/mlflow/search_pattern.hpp"
#include "gateway/mlflow/search_tokens.hpp"

namespace mlforge::gateway::mlflow {

namespace {

using Node = Filter::Node;

constexpr int kMaxDepth = 64;

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Parser {
 public:
  Parser(std::string_view text, const Dialect& dialect) : tokens_(text), dialect_(dialect) {}

  Expected<Node> parse() {
    Node root;
    if (tokens_.at_end()) return root;
    root = expression(0);
    if (!tokens_.at_end() && !error_)
      fail("Invalid clause(s) in filter string: '" + tokens_.rest() + "'");
    if (error_) return *error_;
    return root;
  }

 private:
  Node expression(int depth) {
    Node out{.kind = Node::any};
    do out.children.push_back(conjunction(depth));
    while (!error_ && tokens_.take_word("OR"));
    return out.children.size() == 1 ? std::move(out.children.front()) : std::move(out);
  }

  Node conjunction(int depth) {
    Node out{.kind = Node::all};
    do out.children.push_back(term(depth));
    while (!error_ && tokens_.take_word("AND"));
    return out.children.size() == 1 ? std::move(out.children.front()) : std::move(out);
  }

  Node term(int depth) {
    if (depth > kMaxDepth) fail("The filter string has more than 64 parentheses in each other");
    if (error_) return {};
    if (!tokens_.take_symbol('(')) return clause();
    auto inner = expression(depth + 1);
    if (!error_ && !tokens_.take_symbol(')')) fail("The filter string lacks a closing parenthesis");
    return inner;
  }

  Node clause() {
    Node out{.kind = Node::clause};
    auto name = tokens_.identifier();
    if (!name) {
      fail("Invalid clause(s) in filter string: expected an identifier, found '" + tokens_.rest() +
           "'");
      return out;
    }
    auto key = resolve(*name, dialect_, false);
    if (!key) {
      error_ = key.error();
      return out;
    }
    out.key = *std::move(key);
    out.op = tokens_.comparison();
    if (out.op.empty())
      fail("Invalid comparison clause: expected an operator after '" + out.key.name + "', found '" +
           tokens_.rest() + "'");
    else if (auto bad = check_operator(out.key, out.op, dialect_))
      error_ = bad;
    // What is assessed is a text, or a number where it is compared with one.
    if (is_assessed(out.key.entity) && is_ordering(out.op)) out.key.numeric = true;
    if (!error_ && !out.op.starts_with("IS"))
      out.value = out.op.ends_with("IN") ? list() : value(out.key);
    if (out.op == "RLIKE" && !error_) compile(out);
    return out;
  }

  void compile(Node& clause) {
    auto pattern = Pattern::make(std::get<std::string>(clause.value));
    if (pattern)
      clause.pattern = *std::move(pattern);
    else
      error_ = pattern.error();
  }

  Value value(const Key& key) {
    if (key.numeric) {
      const auto found = tokens_.rest();
      if (const auto number = tokens_.number()) return *number;
      if (const auto text = key.may_be_quoted ? tokens_.quoted() : std::nullopt) {
        Tokens inside(*text);
        if (const auto number = inside.number(); number && inside.at_end()) return *number;
      }
      fail(std::string("Expected numeric value type for ") +
           (key.entity == Entity::metric ? "metric" : "numeric attribute: " + key.name) +
           ". Found " + found);
      return {};
    }
    if (auto text = tokens_.quoted()) return *std::move(text);
    if (const auto rest = tokens_.rest(); !rest.empty() && is_name_start(rest.front()))
      fail(
          "Parameter value is either not quoted or unidentified quote types used for string "
          "value " +
          rest + ". Use either single or double quotes.");
    fail("Expected a quoted string value for " + std::string(entity_name(key.entity)) +
         " (e.g. 'my-value'). Got value " + tokens_.rest());
    return {};
  }

  Value list() {
    std::vector<std::string> texts;
    bool ok = tokens_.take_symbol('(');
    do {
      if (!texts.empty() && tokens_.take_symbol(')')) return texts;
      auto text = tokens_.quoted();
      ok = ok && text;
      if (ok) texts.push_back(*std::move(text));
    } while (ok && tokens_.take_symbol(','));
    if (!ok || !tokens_.take_symbol(')'))
      fail(
          "While parsing a list in the filter string, expected a non-empty list of quoted string "
          "values, found '" +
          tokens_.rest() + "'");
    return texts;
  }

  void fail(std::string message) {
    if (!error_) error_ = Error{ErrorCode::invalid_argument, std::move(message), "filter"};
  }

  Tokens tokens_;
  const Dialect& dialect_;
  Status error_;
};

bool test(const Node& node, const Subject& subject) {
  const auto each = [&](const Node& child) { return test(child, subject); };
  if (node.kind == Node::all) return std::all_of(node.children.begin(), node.children.end(), each);
  if (node.kind == Node::any) return std::any_of(node.children.begin(), node.children.end(), each);
  if (const auto all = subject.numbers(node.key))
    return std::any_of(all->begin(), all->end(), [&](double each) { return holds(node, each); });
  const auto value = subject.value(node.key);
  const bool absent = std::holds_alternative<std::monostate>(value);
  if (node.op == "IS NULL") return absent;
  if (node.op == "IS NOT NULL") return !absent;
  if (const auto* number = std::get_if<double>(&value)) return holds(node, *number);
  if (const auto* text = std::get_if<std::string>(&value))
    return !node.key.numeric && holds(node, *text);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value))
    return std::any_of(texts->begin(), texts->end(),
                       [&](const auto& text) { return holds(node, text); });
  return false;
}

char fold(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool inside_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

bool fits(const Filter::Node& node, const Subject& subject) { return test(node, subject); }

bool holds(const Filter::Node& clause, double a) {
  const auto* wanted = std::get_if<double>(&clause.value);
  if (!wanted) return false;
  const auto& op = clause.op;
  const double b = *wanted;
  if (op == ">") return a > b;
  if (op == ">=") return a >= b;
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  return op == "!=" ? a != b : a == b;
}

bool holds(const Filter::Node& clause, std::string_view text) {
  if (const auto* list = std::get_if<std::vector<std::string>>(&clause.value))
    return (std::find(list->begin(), list->end(), text) != list->end()) == (clause.op == "IN");
  if (std::holds_alternative<double>(clause.value)) {
    const auto number = Tokens(text).number();
    return number && holds(clause, *number);
  }
  const std::string_view wanted = std::get<std::string>(clause.value);
  if (clause.pattern) return clause.pattern->fits(text);
  if (clause.op == "LIKE") return like(text, wanted, false);
  if (clause.op == "ILIKE") return like(text, wanted, true);
  return clause.op == "!=" ? text != wanted : text == wanted;
}

// With one place to go back to, the last '%': linear but for that.
bool like(std::string_view text, std::string_view pattern, bool ignore_case) {
  const auto same = [&](char a, char b) { return ignore_case ? fold(a) == fold(b) : a == b; };
  std::size_t at = 0, p = 0, star = pattern.npos, mark = 0;
  while (at < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      mark = at;
    } else if (p < pattern.size() && pattern[p] == '_') {
      ++p, ++at;
      while (at < text.size() && inside_character(text[at])) ++at;
    } else if (p < pattern.size() && same(pattern[p], text[at])) {
      ++p, ++at;
    } else if (star != pattern.npos) {
      p = star + 1;
      at = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

Filter::Filter() = default;
Filter::~Filter() = default;
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;

Expected<Filter> Filter::parse(std::string_view text, const Dialect& dialect) {
  if (!text.empty() && text.find_first_not_of(" \t\r\n") == text.npos)
    return Error{ErrorCode::invalid_argument,
                 "Invalid filter '" + std::string(text) + "'. Could not be parsed.", "filter"};
  auto root = Parser(text, dialect).parse();
  if (!root) return root.error();
  Filter filter;
  filter.root_ = std::make_unique<Node>(*std::move(root));
  return filter;
}

bool Filter::matches(const Subject& subject) const { return !root_ || test(*root_, subject); }

Expected<std::vector<Order>> parse_order(const std::vector<std::string>& texts,
                                         const Dialect& dialect) {
  std::vector<Order> out;
  for (const auto& text : texts) {
    Tokens tokens(text);
    const auto name = tokens.identifier();
    Order order;
    if (name && tokens.take_word("DESC"))
      order.descending = true;
    else if (name)
      tokens.take_word("ASC");
    if (!name || !tokens.at_end())
      return Error{ErrorCode::invalid_argument,
                   "Invalid order_by clause '" + text +
                       "'. Could not be parsed. It must be a key, such as 'metrics.auc', then ASC "
                       "or DESC or nothing",
                   "order_by"};
    auto key = resolve(*name, dialect, true);
    if (!key) return key.error();
    order.key = *std::move(key);
    for (const auto& before : out)
      if (!dialect.repeats && before.key.entity == order.key.entity &&
          before.key.name == order.key.name)
        return Error{ErrorCode::invalid_argument,
                     "`order_by` contains duplicate fields: '" + text + "'", "order_by"};
    out.push_back(std::move(order));
  }
  return out;
}

int compare(const Value& a, const Value& b, bool descending) {
  const auto rank = [](const Value& v) {
    const auto* number = std::get_if<double>(&v);
    return std::holds_alternative<std::monostate>(v) ? 2 : number && std::isnan(*number) ? 1 : 0;
  };
  if (const int x = rank(a), y = rank(b); x != y || x != 0) return x < y ? -1 : x > y;
  const int less = a < b ? -1 : b < a ? 1 : 0;
  return descending ? -less : less;
}

}  // namespace mlforge::gateway::mlflow
