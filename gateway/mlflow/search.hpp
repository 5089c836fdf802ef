// MLflow's search language: filters and ORDER BY, over whatever has fields.
//
//   expression := conjunction { OR conjunction }         conjunction := term { AND term }
//   term       := '(' expression ')' | identifier comparison
//   comparison := operator value | [NOT] IN '(' text {',' text} ')' | IS [NOT] NULL
//   operator   := = != > >= < <= LIKE ILIKE, and of traces RLIKE
//   identifier := [entity '.'] key     a key may stand in backticks or double quotes
//   value      := number | 'text' | "text"
//
// OR and parentheses are beyond MLflow, which knows AND only. A comparison with what is absent, and
// with NaN, is false. LIKE is case-sensitive, ILIKE is not (in ASCII); '%' is any text, '_' any one
// character. RLIKE: a regular expression (search_pattern.hpp) that fits somewhere in the text.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "events/error.hpp"

namespace mlforge::gateway::mlflow {

enum class Entity { attribute, metric, param, tag, dataset, metadata, feedback, expectation, span };

struct Key {
  Entity entity = Entity::attribute;
  std::string name;
  bool numeric = false;
  bool may_be_quoted = false;  // a number that may be written as a text
};

// Absent, a number, a text, or several texts (of datasets, assessments): one of them must fit.
using Value = std::variant<std::monostate, double, std::string, std::vector<std::string>>;

class Subject {
 public:
  virtual ~Subject() = default;
  virtual Value value(const Key& key) const = 0;
  // All numbers that it has of a metric, where a clause may fit any of them; else value() counts.
  virtual std::optional<std::vector<double>> numbers(const Key&) const { return std::nullopt; }
};

// What may be searched by.
struct Dialect {
  struct Attribute {
    std::string_view name;
    bool numeric = false;
    bool lists = false;                // may stand before IN
    std::string_view stands_for = {};  // another name of that attribute
    bool order_only = false;           // not in filters
    bool may_be_quoted = false;        // a number, or a text that says one
  };
  std::vector<Attribute> attributes;
  std::vector<Entity> entities;                           // besides attribute
  bool patterns = false;                                  // knows RLIKE
  const char* order_refusal = "Invalid attribute key '";  // of a key that ORDER BY does not know
  bool repeats = false;  // a key may stand in ORDER BY again, where it says nothing new
};

class Pattern;

class Filter {
 public:
  Filter();
  ~Filter();
  Filter(Filter&&) noexcept;
  Filter& operator=(Filter&&) noexcept;

  // invalid_argument says what is wrong with the text. An empty text is true of everything.
  static Expected<Filter> parse(std::string_view text, const Dialect& dialect);
  bool matches(const Subject& subject) const;

  struct Node;
  // Null: everything fits.
  const Node* root() const { return root_.get(); }

 private:
  std::unique_ptr<Node> root_;
};

struct Filter::Node {
  enum Kind { all, any, clause } kind = all;
  std::vector<Node> children;  // of all and any
  Key key;
  std::string op;  // "=", "!=", ">", ..., "LIKE", "IN", "IS NULL", ...
  Value value;
  std::shared_ptr<const Pattern> pattern;  // of RLIKE
};

// Whether a clause holds of a number or a text that is there; of a text that is compared with a
// number, of the number that it says.
bool holds(const Filter::Node& clause, double number);
bool holds(const Filter::Node& clause, std::string_view text);

// The same for a filter's part, whatever it is of.
bool fits(const Filter::Node& node, const Subject& subject);

struct Order {
  Key key;
  bool descending = false;
};

// "metrics.auc DESC", "start_time": one for each text. The same key twice is refused.
Expected<std::vector<Order>> parse_order(const std::vector<std::string>& texts,
                                         const Dialect& dialect);

// Whether a comes before b: -1, after: 1, or neither: 0. What is absent comes last and NaN before
// it, in both directions.
int compare(const Value& a, const Value& b, bool descending);

bool like(std::string_view text, std::string_view pattern, bool ignore_case);

}  // namespace mlforge::gateway::mlflow
