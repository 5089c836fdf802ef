#include "events/event_codec.hpp"

#include <unordered_map>

#include "events/upcast.hpp"

namespace mlforge {
namespace {

template <class E>
constexpr bool kKnown = !std::is_same_v<E, UnknownEvent>;

template <class E>
Expected<Event> decode_as(std::string_view payload) {
  if constexpr (E::content == ContentType::columns) {
    auto value = columns::decode<E>(payload);
    if (!value) return value.error();
    return Event{*std::move(value)};
  } else {
    auto value = from_json<E>(payload, Unknown::skip);
    if (!value) return Error{ErrorCode::corrupt, value.error().message, value.error().field};
    return Event{*std::move(value)};
  }
}

template <class E>
Status decode_over(std::string_view payload, Event& event) {
  E* value = std::get_if<E>(&event);
  if (!value) value = &event.emplace<E>();
  if constexpr (E::content == ContentType::columns) return columns::decode_into(payload, *value);
  *value = E{};
  auto failed = read_json(payload, *value, Unknown::skip);
  if (failed) failed->code = ErrorCode::corrupt;
  return failed;
}

struct Row {
  std::size_t index;  // in the variant
  std::uint16_t schema;
  ContentType content;
  Expected<Event> (*decode)(std::string_view);
  Status (*decode_over)(std::string_view, Event&);
  void (*json)(std::string&, std::string_view);
};

template <class E>
void columns_as_json(std::string& out, std::string_view payload) {
  if constexpr (E::content == ContentType::columns) {
    if (const auto value = columns::decode<E>(payload))
      codec::write(out, *value);
    else
      append_json_string(out, payload);
  } else {
    out.append(payload);
  }
}

template <std::size_t... I>
std::unordered_map<std::string_view, Row> make_rows(std::index_sequence<I...>) {
  std::unordered_map<std::string_view, Row> rows;
  const auto add = [&]<class E>(std::type_identity<E>, std::size_t index) {
    if constexpr (kKnown<E>)
      rows.emplace(E::type, Row{index, E::schema, E::content, decode_as<E>, decode_over<E>,
                                columns_as_json<E>});
  };
  (add(std::type_identity<std::variant_alternative_t<I, Event>>{}, I), ...);
  return rows;
}

constexpr auto kIndices = std::make_index_sequence<std::variant_size_v<Event>>{};

const Row* find_row(std::string_view type, std::uint16_t schema, ContentType content) {
  static const auto rows = make_rows(kIndices);
  const auto at = rows.find(type);
  if (at == rows.end() || content != at->second.content) return nullptr;
  return can_upcast(type, content, schema, at->second.schema) ? &at->second : nullptr;
}

template <std::size_t... I, class F>
void each_type(std::index_sequence<I...>, F&& f) {
  (f(std::type_identity<std::variant_alternative_t<I, Event>>{}), ...);
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, text);
}

}  // namespace

NewEvent encode_event(const Event& event) {
  return std::visit(
      []<class E>(const E& e) -> NewEvent {
        if constexpr (kKnown<E>) {
          std::string payload;
          if constexpr (E::content == ContentType::columns)
            payload = columns::encode(e);
          else
            payload = to_json(e);
          return {"", std::string(E::type), E::schema, E::content, std::move(payload), {}};
        } else {
          return {"", e.type, e.schema, e.content_type, e.payload, {}};
        }
      },
      event);
}

NewEvent encode_event(const Event& event, std::string stream) {
  NewEvent out = encode_event(event);
  out.stream = std::move(stream);
  return out;
}

Expected<Event> decode_event(std::string_view type, std::uint16_t schema, ContentType content,
                             std::string_view payload) {
  const Row* row = find_row(type, schema, content);
  if (row && schema == row->schema) return row->decode(payload);
  if (row) {
    const auto lifted = upcast(type, content, schema, row->schema, payload);
    if (!lifted) return lifted.error();
    return row->decode(*lifted);
  }
  return Event{UnknownEvent{std::string(type), schema, content, std::string(payload)}};
}

Expected<const Event*> EventDecoder::decode(const EventView& e) {
  kept_.resize(std::variant_size_v<Event>);
  // Of an expired event what is left counts as the whole did.
  const bool gone = e.expired && e.payload.empty();
  const Row* row = gone ? nullptr : find_row(e.type, e.schema, e.content_type);
  if (row) {
    Event& event = kept_[row->index];
    std::string_view payload = e.payload;
    if (e.schema < row->schema) {
      auto lifted = upcast(e.type, e.content_type, e.schema, row->schema, payload);
      if (!lifted) return lifted.error();
      payload = lifted_ = *std::move(lifted);
    }
    if (auto failed = row->decode_over(payload, event)) return *std::move(failed);
    return &event;
  }
  return &(kept_.back() =
               UnknownEvent{std::string(e.type), e.schema, e.content_type, std::string(e.payload)});
}

std::string_view type_name(const Event& event) {
  return std::visit([]<class E>(const E& e) -> std::string_view { return e.type; }, event);
}

void for_each_event_type(const std::function<void(std::string_view, std::uint16_t, ContentType,
                                                  const std::vector<std::string_view>&)>& visit) {
  each_type(kIndices, [&]<class E>(std::type_identity<E>) {
    if constexpr (kKnown<E>) {
      std::vector<std::string_view> names;
      for_each_field<E>([&](const auto& f) { names.push_back(f.name); });
      visit(E::type, E::schema, E::content, names);
    }
  });
}

bool is_personal(std::string_view type, std::string_view field) {
  bool personal = false;
  each_type(kIndices, [&]<class E>(std::type_identity<E>) {
    if constexpr (kKnown<E>)
      if (E::type == type)
        for_each_field<E>([&](const auto& f) { personal |= f.personal && f.name == field; });
  });
  return personal;
}

void append_payload_json(std::string& out, std::string_view type, std::uint16_t schema,
                         ContentType content, std::string_view payload) {
  const Row* row = find_row(type, schema, content);
  if (row && schema < row->schema && content == ContentType::columns)
    columns::append_json(out, payload);  // with the fields that its version had
  else if (row)
    row->json(out, payload);
  else if (content == ContentType::json && codec::parse(payload))
    out.append(payload);
  else
    append_json_string(out, payload);
}

void append_event_json(std::string& out, const EventView& e) {
  out += "{\"position\":";
  append_json_uint(out, e.position);
  append_member(out, "id", to_string(e.id));
  append_member(out, "type", e.type);
  out += ",\"schema\":";
  append_json_uint(out, e.schema);
  append_member(out, "tenant", e.tenant);
  append_member(out, "stream", e.stream);
  out += ",\"version\":";
  append_json_uint(out, e.version);
  append_member(out, "time", format_time(e.time));
  append_member(out, "actor", e.actor);
  if (!e.causation.is_nil()) append_member(out, "causation_id", to_string(e.causation));
  if (!e.correlation.is_nil()) append_member(out, "correlation_id", to_string(e.correlation));
  if (!e.command_id.empty()) append_member(out, "command_id", e.command_id);
  if (e.expired) {
    out += ",\"expired\":true,\"payload\":null}";
    return;
  }
  out += ",\"payload\":";
  append_payload_json(out, e.type, e.schema, e.content_type, e.payload);
  out += '}';
}

}  // namespace mlforge
