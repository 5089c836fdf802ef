// What lists of traces show of a trace's request and response.
#pragma once
#include <string>
#include <string_view>

namespace mlforge::gateway::mlflow {

// Of JSON: what the last message of that role says (else the last of all) where it is a chat in
// OpenAI's forms, or the JSON as it is written. Long texts are cut to 1000 characters.
std::string preview_of(const std::string& json, std::string_view role);

}  // namespace mlforge::gateway::mlflow
