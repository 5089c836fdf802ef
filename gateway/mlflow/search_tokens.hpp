// The words of MLflow's search language, taken from a text from left to right, and the names in it.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "gateway/mlflow/search.hpp"

namespace mlforge::gateway::mlflow {

struct Name {
  std::string entity;  // empty: none was given
  std::string key;
};

class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  bool at_end();
  std::string rest();                     // for messages: what is left, shortened
  bool take_word(std::string_view word);  // in upper case; whatever case it has in the text
  bool take_symbol(char symbol);
  std::optional<Name> identifier();
  std::string
  comparison();  // in upper case, one space between its words; empty where there is none
  std::optional<std::string> quoted();
  std::optional<double> number();

 private:
  void skip();
  std::string_view word() const;  // what begins here, of letters, digits and what keys may hold
  std::optional<std::string> key();
  std::string_view text_;
};

std::string_view entity_name(Entity entity);
inline bool is_assessed(Entity entity) {
  return entity == Entity::feedback || entity == Entity::expectation;
}
bool is_ordering(std::string_view op);  // > >= < <=

// The key that a name stands for. The Error says which names there are.
Expected<Key> resolve(const Name& name, const Dialect& dialect, bool for_order);

// Set where the operator does not go with the key.
Status check_operator(const Key& key, std::string_view op, const Dialect& dialect);

}  // namespace mlforge::gateway::mlflow
