#include "events/event_codec.hpp"

#include <unordered_map>

#include "events/upcast.hpp"

namespace mlforge {
namespace {

template <class E>
constexpr bool kKnown = !std::is_same_v<E, UnknownEvent>;

// How one type of event is stored. JSON goes by the table of its members, columns by functions.
struct Row {
  std::size_t index;  // in the list
  std::string_view type;
  std::uint16_t schema;
  ContentType content;
  const codec::Ops* ops;
  std::string (*encode_columns)(const void*);
  Status (*decode_columns)(std::string_view, void*, columns::Personal);
};

template <class E>
Row row_of(std::size_t index) {
  Row row{index, E::type, E::schema, E::content, &codec::kOps<E>, {}, {}};
  if constexpr (E::content == ContentType::columns) {
    row.encode_columns = [](const void* e) { return columns::encode(*static_cast<const E*>(e)); };
    row.decode_columns = [](std::string_view payload, void* e, columns::Personal personal) {
      return columns::decode_into(payload, *static_cast<E*>(e), personal);
    };
  }
  return row;
}

Status decode_over(const Row& row, std::string_view payload, Event& event,
                   columns::Personal personal = columns::Personal::decoded) {
  // Columns are written over those that are there, with their memory; JSON over a default one.
  const bool there = row.decode_columns && event.index() == row.index;
  void* value = there ? event.data() : event.emplace(row.index);
  if (row.decode_columns) return row.decode_columns(payload, value, personal);
  auto failed = codec::read_text(payload, value, *row.ops, Unknown::skip);
  if (failed) failed->code = ErrorCode::corrupt;
  return failed;
}

// By the place in the list: UnknownEvent, the last, has none.
const std::vector<Row>& rows() {
  static const auto all = [] {
    std::vector<Row> rows;
    for_each_type(EventTypes{}, [&]<class E>(std::type_identity<E>) {
      if constexpr (kKnown<E>) rows.push_back(row_of<E>(rows.size()));
    });
    return rows;
  }();
  return all;
}

const Row* find_row(std::string_view type, std::uint16_t schema, ContentType content) {
  static const auto by_type = [] {
    std::unordered_map<std::string_view, const Row*> out;
    for (const Row& row : rows()) out.emplace(row.type, &row);
    return out;
  }();
  const auto at = by_type.find(type);
  if (at == by_type.end() || content != at->second->content) return nullptr;
  return can_upcast(type, content, schema, at->second->schema) ? at->second : nullptr;
}

Expected<Event> decode(const Row& row, std::string_view payload) {
  Event event;
  if (auto failed = decode_over(row, payload, event)) return *std::move(failed);
  return event;
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, text);
}

void append_columns_json(std::string& out, const Row& row, std::string_view payload) {
  const auto event = decode(row, payload);
  if (!event) return append_json_string(out, payload);
  row.ops->write(out, event->data());
}

}  // namespace

NewEvent encode_event(const Event& event) {
  if (const auto* e = get_if<UnknownEvent>(&event))
    return {"", e->type, e->schema, e->content_type, e->payload, {}};
  const Row& row = rows()[event.index()];
  const void* value = event.data();
  std::string payload;
  if (row.encode_columns)
    payload = row.encode_columns(value);
  else
    row.ops->write(payload, value);
  return {"", std::string(row.type), row.schema, row.content, std::move(payload), {}};
}

NewEvent encode_event(const Event& event, std::string stream) {
  NewEvent out = encode_event(event);
  out.stream = std::move(stream);
  return out;
}

Expected<Event> decode_event(std::string_view type, std::uint16_t schema, ContentType content,
                             std::string_view payload) {
  const Row* row = find_row(type, schema, content);
  if (row && schema == row->schema) return decode(*row, payload);
  if (row) {
    const auto lifted = upcast(type, content, schema, row->schema, payload);
    if (!lifted) return lifted.error();
    return decode(*row, *lifted);
  }
  return Event{UnknownEvent{std::string(type), schema, content, std::string(payload)}};
}

Expected<const Event*> EventDecoder::decode(const EventView& e) {
  if (kept_.empty()) kept_.resize(EventTypes::size);
  // Of an expired event what is left counts as the whole did.
  const bool gone = e.expired && e.payload.empty();
  const Row* row = last_type_ < rows().size() ? &rows()[last_type_] : nullptr;
  if (!row || row->type != e.type || row->schema != e.schema || row->content != e.content_type)
    row = find_row(e.type, e.schema, e.content_type);
  if (row && !gone) {
    last_type_ = row->index;
    Event& event = kept_[row->index];
    std::string_view payload = e.payload;
    if (e.schema < row->schema) {
      auto lifted = upcast(e.type, e.content_type, e.schema, row->schema, payload);
      if (!lifted) return lifted.error();
      payload = lifted_ = *std::move(lifted);
    }
    if (auto failed = decode_over(*row, payload, event, personal_)) return *std::move(failed);
    return &event;
  }
  return &(kept_.back() =
               UnknownEvent{std::string(e.type), e.schema, e.content_type, std::string(e.payload)});
}

std::string_view type_name(const Event& event) {
  if (const auto* e = get_if<UnknownEvent>(&event)) return e->type;
  return rows()[event.index()].type;
}

void for_each_event_type(const std::function<void(std::string_view, std::uint16_t, ContentType,
                                                  const std::vector<std::string_view>&)>& visit) {
  for_each_type(EventTypes{}, [&]<class E>(std::type_identity<E>) {
    if constexpr (kKnown<E>) {
      std::vector<std::string_view> names;
      for_each_field<E>([&](const auto& f) { names.push_back(f.name); });
      visit(E::type, E::schema, E::content, names);
    }
  });
}

bool is_personal(std::string_view type, std::string_view field) {
  bool personal = false;
  for_each_type(EventTypes{}, [&]<class E>(std::type_identity<E>) {
    if constexpr (kKnown<E>)
      if (E::type == type)
        for_each_field<E>([&](const auto& f) { personal |= f.personal && f.name == field; });
  });
  return personal;
}

void append_payload_json(std::string& out, std::string_view type, std::uint16_t schema,
                         ContentType content, std::string_view payload) {
  const Row* row = find_row(type, schema, content);
  if (row && content == ContentType::columns && schema < row->schema)
    columns::append_json(out, payload);  // with the fields that its version had
  else if (row && content == ContentType::columns)
    append_columns_json(out, *row, payload);
  else if (row)
    out.append(payload);
  else if (content == ContentType::json && codec::is_json(payload))
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
