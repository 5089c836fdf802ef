#include "gateway/mlflow/graphql_document.hpp"

#include "gateway/mlflow/graphql_tokens.hpp"

namespace mlforge::gateway::mlflow::graphql {
namespace document {
namespace {

constexpr int kDeepest = 64;

// By recursive descent. The first error is remembered, and everything ends behind it.
class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(text) { advance(); }

  Expected<Document> document() {
    Document out;
    while (!error_ && token_.kind != Token::Kind::end) definition(out);
    if (!error_ && out.operations.empty()) unexpected();
    if (error_) return *error_;
    return out;
  }

 private:
  bool at(std::string_view punctuator) const {
    return token_.kind == Token::Kind::punctuator && token_.text == punctuator;
  }
  bool at_word(std::string_view word) const {
    return token_.kind == Token::Kind::name && token_.text == word;
  }
  void fail(const Error& error) {
    if (!error_) error_ = error;
    token_ = {};
  }
  void unexpected() {
    const bool quoted = token_.kind != Token::Kind::end;
    fail(tokens_.error("Unexpected " + (quoted ? "'" + token_.text + "'" : token_.text) + ".",
                       token_.at));
  }
  void advance() {
    auto next = tokens_.next();
    if (!next) return fail(next.error());
    token_ = *std::move(next);
  }
  bool take(std::string_view punctuator) {
    if (error_ || !at(punctuator)) return false;
    advance();
    return !error_;
  }
  void expect(std::string_view punctuator) {
    if (!error_ && !take(punctuator)) unexpected();
  }
  std::string name() {
    std::string out = token_.text;
    if (error_ || token_.kind != Token::Kind::name)
      unexpected();
    else
      advance();
    return out;
  }
  // `each` until the punctuator that closes; at least one.
  template <class Each>
  void many(std::string_view close, Each each) {
    do each();
    while (!error_ && !at(close));
    expect(close);
  }

  void definition(Document& out) {
    if (at("{")) {
      out.operations.emplace_back();
      return selections(out.operations.back().selections, 0);
    }
    if (at_word("fragment")) return fragment(out);
    if (!at_word("query") && !at_word("mutation")) return unexpected();
    Operation operation;
    operation.kind = name();
    if (token_.kind == Token::Kind::name) operation.name = name();
    if (take("(")) many(")", [&] { operation.variables.push_back(variable()); });
    directives(0);
    selections(operation.selections, 0);
    out.operations.push_back(std::move(operation));
  }

  void fragment(Document& out) {
    advance();
    const auto name_at = token_.at;
    const auto called = name();
    if (called == "on") return unexpected();
    if (!at_word("on")) return unexpected();
    advance();
    Fragment fragment{name(), {}};
    directives(0);
    selections(fragment.selections, 0);
    if (!error_ && !out.fragments.emplace(called, std::move(fragment)).second)
      fail(tokens_.error("There can be only one fragment named '" + called + "'.", name_at));
  }

  Variable variable() {
    Variable out;
    expect("$");
    out.name = name();
    expect(":");
    out.type = type(out.required, 0);
    if (take("=")) {
      out.has_default = true;
      out.value = value(0);
    }
    directives(0);
    return out;
  }

  std::string type(bool& required, int depth) {
    std::string out;
    if (depth > kDeepest) return too_deep(), out;
    if (take("[")) {
      bool inner = false;
      out = "[" + type(inner, depth + 1) + (inner ? "!]" : "]");
      expect("]");
    } else {
      out = name();
    }
    required = take("!");
    return out;
  }

  void too_deep() { fail(tokens_.error("Too many levels.", token_.at)); }

  void selections(std::vector<Selection>& out, int depth) {
    if (depth > kDeepest) return too_deep();
    expect("{");
    if (!error_) many("}", [&] { out.push_back(selection(depth)); });
  }

  Selection selection(int depth) {
    Selection out;
    if (take("...")) {
      const bool typed = at_word("on");
      if (typed) advance();
      out.kind =
          typed || at("{") || at("@") ? Selection::Kind::inline_fragment : Selection::Kind::spread;
      if (typed || out.kind == Selection::Kind::spread) out.name = name();
      out.directives = directives(depth);
      if (out.kind == Selection::Kind::inline_fragment) selections(out.selections, depth + 1);
      return out;
    }
    out.name = name();
    if (take(":")) {
      out.alias = std::move(out.name);
      out.name = name();
    }
    out.arguments = arguments(depth);
    out.directives = directives(depth);
    if (at("{")) selections(out.selections, depth + 1);
    return out;
  }

  Arguments arguments(int depth) {
    Arguments out;
    if (take("(")) many(")", [&] { out.push_back(member(depth)); });
    return out;
  }

  std::pair<std::string, Value> member(int depth) {
    auto called = name();
    expect(":");
    return {std::move(called), value(depth + 1)};
  }

  std::vector<Directive> directives(int depth) {
    std::vector<Directive> out;
    while (take("@")) {
      auto called = name();
      out.push_back({std::move(called), arguments(depth)});
    }
    return out;
  }

  Value value(int depth) {
    Value out;
    if (error_) return out;
    if (depth > kDeepest) return too_deep(), out;
    if (take("$")) {
      out.kind = Value::Kind::variable;
      out.text = name();
    } else if (take("[")) {
      out.kind = Value::Kind::list;
      while (!error_ && !at("]")) out.items.push_back(value(depth + 1));
      expect("]");
    } else if (take("{")) {
      out.kind = Value::Kind::object;
      while (!error_ && !at("}")) out.members.push_back(member(depth));
      expect("}");
    } else {
      scalar(out);
    }
    return out;
  }

  void scalar(Value& out) {
    out.text = token_.text;
    switch (token_.kind) {
      case Token::Kind::integer:
        out.kind = Value::Kind::integer;
        break;
      case Token::Kind::floating:
        out.kind = Value::Kind::floating;
        break;
      case Token::Kind::text:
        out.kind = Value::Kind::text;
        break;
      case Token::Kind::name:
        out.kind = out.text == "true" || out.text == "false" ? Value::Kind::boolean
                   : out.text == "null"                      ? Value::Kind::null
                                                             : Value::Kind::name;
        break;
      default:
        return unexpected();
    }
    advance();
  }

  Tokens tokens_;
  Token token_;
  Status error_;
};

}  // namespace
}  // namespace document

Expected<Document> parse_document(std::string_view text) {
  return document::Parser(text).document();
}

}  // namespace mlforge::gateway::mlflow::graphql
