// JSON schemas of answers that are put together by hand.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

namespace mlforge::gateway {

struct AnswerMember {
  std::string_view name;
  std::string schema;  // a type's name, "string", or a whole schema, "{...}"
  bool always = true;
};

// Of an object with these members.
std::string object_answer_of(std::initializer_list<AnswerMember> members);
std::string array_of(const std::string& schema);
// Of a command: the position that it is on disk at, whether it was repeated, and these.
std::string outcome_answer(std::initializer_list<AnswerMember> more = {});
// Of a file that was stored, as the answer to its command.
std::string stored_file_answer();
// Of an event with its envelope, as append_event_json writes it.
std::string event_answer();
std::string event_page_answer();

}  // namespace mlforge::gateway
