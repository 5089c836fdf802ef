#include "gateway/mlflow/trace_previews.hpp"

#include <algorithm>
#include <vector>

#include "events/json_tree.hpp"

namespace mlforge::gateway::mlflow {
namespace trace_previews {
namespace {

constexpr std::size_t kMostCharacters = 1000;

using Messages = std::vector<const JsonTree*>;

bool is_message(const JsonTree& tree) { return tree.find("role") && tree.find("content"); }

bool says(const JsonTree* member, std::string_view text) {
  return member && member->kind == JsonTree::text && member->value == text;
}

Messages messages_in(const JsonTree* list) {
  Messages out;
  if (list && list->kind == JsonTree::list)
    for (const auto& each : list->items)
      if (is_message(each)) out.push_back(&each);
  return out;
}

// Requests and responses of chat completions ("messages", "choices") and of the responses API
// ("input", "output"), which an agent's request holds in "request".
Messages find_messages(const JsonTree& tree) {
  if (const auto* list = tree.find("messages"); list && !list->items.empty())
    return messages_in(list);
  if (const auto* choices = tree.find("choices"); choices && !choices->items.empty())
    if (const auto* message = choices->items[0].find("message"); message && is_message(*message))
      return {message};
  for (const char* name : {"input", "output"})
    if (const auto* list = tree.find(name);
        list && list->kind == JsonTree::list && !list->items.empty())
      return messages_in(list);
  const auto* request = tree.find("request");
  return request ? find_messages(*request) : Messages();
}

std::string words_of(const JsonTree& message) {
  const auto* content = message.find("content");
  if (content->kind == JsonTree::text) return content->value;
  for (const auto& part : content->items) {
    if (part.kind == JsonTree::text) return part.value;
    if (!says(part.find("type"), "text") && !says(part.find("type"), "output_text")) continue;
    const auto* text = part.find("text");
    return text && text->kind == JsonTree::text ? text->value : "";
  }
  return {};
}

std::string last_words(const Messages& messages, std::string_view role) {
  const auto last = std::find_if(messages.rbegin(), messages.rend(), [&](const JsonTree* each) {
    return says(each->find("role"), role);
  });
  return words_of(last == messages.rend() ? *messages.back() : **last);
}

// The byte where the character of that number begins; the text's size where it has fewer.
std::size_t place_of(std::string_view text, std::size_t character) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins && character-- == 0) break;
  }
  return at;
}

std::string cut(std::string text) {
  if (place_of(text, kMostCharacters) == text.size()) return text;
  return text.substr(0, place_of(text, kMostCharacters - 3)) + "...";
}

}  // namespace
}  // namespace trace_previews

std::string preview_of(const std::string& json, std::string_view role) {
  using namespace trace_previews;
  std::string words;
  if (const auto tree = parse_tree(json); tree && tree->kind == JsonTree::object)
    if (const auto messages = find_messages(*tree); !messages.empty())
      words = last_words(messages, role);
  return cut(words.empty() ? json : words);
}

}  // namespace mlforge::gateway::mlflow
