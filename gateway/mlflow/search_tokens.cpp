#include "gateway/mlflow/search_tokens.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace mlforge::gateway::mlflow {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80);
}

// A key outside quotes may hold these too: "mlflow.source.name", "val/loss".
bool is_key(char c) { return is_word(c) || c == '.' || c == '/' || c == '-' || c == ':'; }

bool equals_upper(std::string_view text, std::string_view upper) {
  return text.size() == upper.size() &&
         std::equal(text.begin(), text.end(), upper.begin(),
                    [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 32 : a) == b; });
}

Error bad(std::string message, const char* field = "filter") {
  return {ErrorCode::invalid_argument, std::move(message), field};
}

constexpr struct {
  std::string_view word;
  Entity entity;
} kEntities[] = {{"attribute", Entity::attribute},
                 {"attributes", Entity::attribute},
                 {"attr", Entity::attribute},
                 {"run", Entity::attribute},
                 {"metric", Entity::metric},
                 {"metrics", Entity::metric},
                 {"parameter", Entity::param},
                 {"parameters", Entity::param},
                 {"param", Entity::param},
                 {"params", Entity::param},
                 {"tag", Entity::tag},
                 {"tags", Entity::tag},
                 {"dataset", Entity::dataset},
                 {"datasets", Entity::dataset},
                 {"request_metadata", Entity::metadata},
                 {"metadata", Entity::metadata},
                 {"feedback", Entity::feedback},
                 {"expectation", Entity::expectation},
                 {"span", Entity::span}};

bool knows(const Dialect& dialect, Entity entity) {
  return entity == Entity::attribute || std::find(dialect.entities.begin(), dialect.entities.end(),
                                                  entity) != dialect.entities.end();
}

Expected<Entity> find_entity(const std::string& word, const Dialect& dialect) {
  for (const auto& each : kEntities)
    if (each.word == word && knows(dialect, each.entity)) return each.entity;
  if (word == "trace" && knows(dialect, Entity::metadata)) return Entity::attribute;
  std::string valid;
  for (const auto entity :
       {Entity::metric, Entity::param, Entity::tag, Entity::attribute, Entity::dataset,
        Entity::metadata, Entity::feedback, Entity::expectation, Entity::span})
    if (knows(dialect, entity))
      ((valid += valid.empty() ? "'" : ", '") += entity_name(entity)) += '\'';
  return bad("Invalid entity type '" + word + "'. Valid values are [" + valid + "]");
}

}  // namespace

std::string_view entity_name(Entity entity) {
  switch (entity) {
    case Entity::metric:
      return "metric";
    case Entity::param:
      return "parameter";
    case Entity::tag:
      return "tag";
    case Entity::dataset:
      return "dataset";
    case Entity::metadata:
      return "request_metadata";
    case Entity::feedback:
      return "feedback";
    case Entity::expectation:
      return "expectation";
    case Entity::span:
      return "span";
    default:
      return "attribute";
  }
}

bool is_ordering(std::string_view op) { return op == ">" || op == ">=" || op == "<" || op == "<="; }

void Tokens::skip() {
  while (!text_.empty() && is_space(text_.front())) text_.remove_prefix(1);
}

bool Tokens::at_end() {
  skip();
  return text_.empty() || text_ == ";";
}

std::string Tokens::rest() {
  skip();
  return std::string(text_.substr(0, 100));
}

std::string_view Tokens::word() const {
  return text_.substr(
      0, static_cast<std::size_t>(std::find_if_not(text_.begin(), text_.end(), is_word) -
                                  text_.begin()));
}

bool Tokens::take_word(std::string_view wanted) {
  skip();
  const auto next = word();
  if (!equals_upper(next, wanted)) return false;
  text_.remove_prefix(next.size());
  return true;
}

bool Tokens::take_symbol(char symbol) {
  skip();
  if (!text_.starts_with(symbol)) return false;
  text_.remove_prefix(1);
  return true;
}

std::optional<std::string> Tokens::key() {
  if (text_.empty()) return std::nullopt;
  if (const char quote = text_.front(); quote == '`' || quote == '"' || quote == '\'') {
    const auto end = text_.find(quote, 1);
    if (end == text_.npos) return std::nullopt;
    std::string out(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    return out;
  }
  const auto end = std::find_if_not(text_.begin(), text_.end(), is_key);
  std::string out(text_.begin(), end);
  text_.remove_prefix(out.size());
  if (out.empty()) return std::nullopt;
  return out;
}

std::optional<Name> Tokens::identifier() {
  skip();
  if (text_.empty() || text_.front() == '\'') return std::nullopt;
  Name name;
  if (text_.front() != '`' && text_.front() != '"') {
    name.key = word();
    if (name.key.empty() || (name.key.front() >= '0' && name.key.front() <= '9'))
      return std::nullopt;
    text_.remove_prefix(name.key.size());
  } else {
    auto quoted = key();
    if (!quoted) return std::nullopt;
    name.key = *std::move(quoted);
  }
  if (!text_.starts_with('.')) return name;
  text_.remove_prefix(1);
  name.entity = std::move(name.key);
  auto own = key();
  if (!own) return std::nullopt;
  name.key = *std::move(own);
  if (name.key.ends_with('.') && text_.starts_with('`'))  // span.attributes.`a name`
    name.key += key().value_or("");
  return name;
}

std::string Tokens::comparison() {
  skip();
  for (const std::string_view op : {">=", "<=", "!=", "<>", "==", "=", ">", "<"})
    if (text_.starts_with(op)) {
      text_.remove_prefix(op.size());
      return op == "<>" ? "!=" : op == "==" ? "=" : std::string(op);
    }
  for (const char* op : {"LIKE", "ILIKE", "RLIKE", "IN"})
    if (take_word(op)) return op;
  if (take_word("NOT")) return take_word("IN") ? "NOT IN" : "";
  if (!take_word("IS")) return "";
  const bool negated = take_word("NOT");
  if (!take_word("NULL")) return "";
  return negated ? "IS NOT NULL" : "IS NULL";
}

std::optional<std::string> Tokens::quoted() {
  skip();
  if (!text_.starts_with('\'') && !text_.starts_with('"')) return std::nullopt;
  const char quote = text_.front();
  std::string out;
  std::size_t kept_quote = 0, kept_size = 0;
  for (std::size_t at = 1; at < text_.size(); ++at) {
    if (text_[at] == quote && text_[at - 1] == '\\' && at > 1) {
      kept_quote = at;
      kept_size = out.size();
    } else if (text_[at] == quote) {
      // A quote that stands twice is one of the text.
      if (at + 1 >= text_.size() || text_[at + 1] != quote) {
        text_.remove_prefix(at + 1);
        return out;
      }
      ++at;
    }
    out += text_[at];
  }
  if (kept_quote == 0) return std::nullopt;
  text_.remove_prefix(kept_quote + 1);
  return out.substr(0, kept_size);
}

std::optional<double> Tokens::number() {
  skip();
  auto from = text_;
  if (from.starts_with('+')) from.remove_prefix(1);
  double value = 0;
  const auto [end, code] = std::from_chars(from.data(), from.data() + from.size(), value);
  const bool digits = !from.empty() && (from.front() == '-' || from.front() == '.' ||
                                        (from.front() >= '0' && from.front() <= '9'));
  if (code == std::errc::invalid_argument || !digits) return std::nullopt;
  // Beyond the largest number, or nearer to 0 than any: as C reads it.
  if (code == std::errc::result_out_of_range)
    value = std::strtod(std::string(from.data(), end).c_str(), nullptr);
  const auto used = static_cast<std::size_t>(end - text_.data());
  if (used < text_.size() && is_word(text_[used])) return std::nullopt;
  text_.remove_prefix(used);
  return value;
}

Expected<Key> resolve(const Name& name, const Dialect& dialect, bool for_order) {
  Key key{.name = name.key};
  if (!name.entity.empty()) {
    const auto entity = find_entity(name.entity, dialect);
    if (!entity) return entity.error();
    key.entity = *entity;
  }
  key.numeric = key.entity == Entity::metric;
  if (key.entity == Entity::dataset && key.name != "name" && key.name != "digest" &&
      key.name != "context")
    return bad("Invalid dataset key '" + key.name +
               "' specified. Valid keys are '{'name', 'digest', 'context'}'");
  constexpr std::string_view kOfSpans = "attributes.";
  if (key.entity == Entity::span && for_order)
    return bad("Traces cannot be ordered by what is in their spans", "order_by");
  if (key.entity == Entity::span && key.name != "name" && key.name != "type" &&
      key.name != "status" && key.name != "content" &&
      !(key.name.starts_with(kOfSpans) && key.name.size() > kOfSpans.size()))
    return bad("Invalid span attribute '" + key.name +
               "'. Supported attributes: name, status, type, attributes.<attribute_name>.");
  if (key.entity != Entity::attribute) return key;
  std::string valid;
  for (const auto& each : dialect.attributes) {
    if (each.order_only && !for_order) continue;
    if (each.name == key.name) {
      key.numeric = each.numeric;
      key.may_be_quoted = each.may_be_quoted;
      if (!each.stands_for.empty()) key.name = each.stands_for;
      return key;
    }
    if (each.stands_for.empty()) ((valid += valid.empty() ? "'" : ", '") += each.name) += '\'';
  }
  const std::string_view refusal = for_order ? dialect.order_refusal : "Invalid attribute key '";
  const char* const valid_keys =
      refusal.ends_with('\'') ? "' specified. Valid keys are {" : ". Valid keys are {";
  return bad(std::string(refusal) + key.name + valid_keys + valid + "}",
             for_order ? "order_by" : "filter");
}

Status check_operator(const Key& key, std::string_view op, const Dialect& dialect) {
  const bool order = is_ordering(op);
  const bool equal = op == "=" || op == "!=";
  const bool content = key.entity == Entity::span ? key.name == "content" : key.name == "text";
  if (content && dialect.patterns &&
      (key.entity == Entity::span || key.entity == Entity::attribute))
    return op == "LIKE" || op == "ILIKE"
               ? Status()
               : bad("Invalid comparator '" + std::string(op) + "' for '" + key.name +
                     "': it must be one of LIKE, ILIKE");
  if (key.entity == Entity::span && !order && !op.starts_with("IS")) return {};
  if (op.starts_with("IS")) {
    if (key.entity != Entity::attribute && key.entity != Entity::metric &&
        key.entity != Entity::dataset && key.entity != Entity::span)
      return {};
    return bad("IS NULL / IS NOT NULL is only supported for tags and params, not for '" +
               std::string(entity_name(key.entity)) + "' '" + key.name + "'");
  }
  if (is_assessed(key.entity) && order) return {};
  if (key.numeric ? !(order || equal) : order || (op == "RLIKE" && !dialect.patterns))
    return bad("Invalid comparator '" + std::string(op) + "' for " +
               std::string(entity_name(key.entity)) + " '" + key.name + "': it must be one of " +
               (key.numeric ? "=, !=, >, >=, <, <=" : "=, !=, LIKE, ILIKE, IN, NOT IN"));
  if (!op.ends_with("IN") || key.entity == Entity::dataset) return {};
  if (key.entity != Entity::attribute)
    return bad("Invalid comparator '" + std::string(op) + "' for " +
               std::string(entity_name(key.entity)) + " '" + key.name +
               "': it must be one of =, !=, LIKE, ILIKE, IS NULL, IS NOT NULL");
  for (const auto& each : dialect.attributes)
    if (each.lists && (each.name == key.name || each.stands_for == key.name)) return {};
  std::string lists;
  for (const auto& each : dialect.attributes)
    if (each.lists) ((lists += lists.empty() ? "'" : ", '") += each.name) += '\'';
  return bad("Only [" + lists +
             "] attributes support comparison with a list of quoted string values.");
}

}  // namespace mlforge::gateway::mlflow
