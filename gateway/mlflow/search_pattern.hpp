// Regular expressions for RLIKE.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "events/error.hpp"

namespace mlforge::gateway::mlflow {

// POSIX extended, with \d \D \w \s of Perl's too; case-sensitive, searched for anywhere in the
// text. No groups that begin with "(?", no references to groups, and repetitions of together at
// most 1000, so that no pattern is costly.
class Pattern {
 public:
  // invalid_argument says what is wrong with it.
  static Expected<std::shared_ptr<const Pattern>> make(const std::string& text);
  ~Pattern();
  bool fits(std::string_view text) const;  // any thread

 private:
  struct Compiled;
  explicit Pattern(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace mlforge::gateway::mlflow
