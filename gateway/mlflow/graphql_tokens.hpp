// The words of a GraphQL document.
#pragma once
#include <string>
#include <string_view>

#include "events/error.hpp"

namespace mlforge::gateway::mlflow::graphql {

struct Token {
  enum class Kind { end, punctuator, name, integer, floating, text };
  Kind kind = Kind::end;
  std::string text;    // of a text, without its quotes and escapes
  std::size_t at = 0;  // where it begins
};

// Reads the words one after the other.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  // `malformed` ("Syntax Error: ...") where there is none.
  Expected<Token> next();
  Error error(std::string_view what, std::size_t at) const;

 private:
  void skip();
  Token name();
  Expected<Token> number();
  Expected<Token> quoted();
  Expected<Token> block();
  Status escape(std::string& out);
  bool here(std::string_view word) const { return text_.substr(at_).starts_with(word); }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace mlforge::gateway::mlflow::graphql
