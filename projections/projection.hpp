// What a projection is: a fold of the log into rows, one event at a time.
#pragma once
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "events/event_codec.hpp"
#include "projections/view_key.hpp"
#include "projections/view_version.hpp"
#include "projections/view_writer.hpp"

namespace mlforge::projections {

// apply() must depend on nothing but the events so far: the same log gives the same rows, however
// it is cut into batches. It may throw where a row contradicts the log; the engine then stops this
// projection before that event, and no other.
class Projection {
 public:
  virtual ~Projection() = default;
  // First part of all its keys; never changes.
  virtual std::string_view name() const = 0;
  // Of the code: another number than that of the stored rows rebuilds them. Never 0.
  virtual std::uint32_t version() const = 0;
  // Whether events of this one's type mean anything to it; the others may be kept from apply().
  virtual bool wants(const Event&) const { return true; }
  virtual void apply(ViewWriter& view, const EventView& envelope, const Event& event) = 0;
};

// A projection P names itself (kName, kVersion) and says what it wants to see by overloads
// on(ViewWriter&, const EventView&, const <event>&); the other events pass it by.
template <class P>
class Dispatch : public Projection {
 public:
  std::string_view name() const final { return P::kName; }
  std::uint32_t version() const final { return P::kVersion + (kVersionLayout << 16); }
  bool wants(const Event& event) const final {
    static constexpr auto wanted = wanted_types(EventTypes{});
    return wanted[event.index()];
  }
  void apply(ViewWriter& view, const EventView& envelope, const Event& event) final {
    offer(
        [&]<class E>(const E& e) requires kWants<E> {
          static_cast<P*>(this)->on(view, envelope, e);
        },
        event);
  }

 private:
  template <class E>
  static constexpr bool kWants = requires(P& p, ViewWriter& view, const EventView& envelope,
                                          const E& event) {
    p.on(view, envelope, event);
  };
  template <class... E>
  static constexpr std::array<bool, sizeof...(E)> wanted_types(const TypeList<E...>&) {
    return {kWants<E>...};
  }
};

// Every projection of mlforge, fresh.
std::vector<std::unique_ptr<Projection>> all_projections();

// "adult" of stream "dataset/adult".
inline std::string_view entity(std::string_view stream) {
  return stream.substr(stream.find('/') + 1);
}

// RFC 3339; empty for 0, which means that it has not happened.
inline std::string time_text(TimeUs time) { return time == 0 ? std::string() : format_time(time); }

// A versioned row that is a struct with fields(), stored as JSON without what is empty. Throws
// where the stored text is not such a row.
template <class R>
R parse_row(std::string_view text) {
  auto row = from_json<R>(text, Unknown::skip);
  if (!row) throw std::runtime_error("a stored row does not decode: " + row.error().message);
  return std::move(*row);
}

// The row of this key, parsed once; nothing where there is none. Valid until the row changes.
template <class R>
const R* find_row(ViewWriter& view, std::string_view key) {
  return view.parsed<R>(key, parse_row<R>);
}

template <class R>
void store_row(ViewWriter& view, std::string_view key, const R& row, Position position) {
  view.write_row(key, position, [&](std::string& out) { append_short_json(out, row); });
}
// The same of one that is soon changed: it need not be parsed then.
template <class R>
void store_new_row(ViewWriter& view, std::string_view key, R&& row, Position position) {
  store_row(view, key, row, position);
  view.keep_parsed(key, std::move(row));
}

// Changes a row in place by `change`; an entity that this view has never seen stays unseen.
template <class R, class Change>
void update_row(ViewWriter& view, std::string_view key, Position position, Change&& change) {
  view.update<R>(
      key, position, parse_row<R>, change,
      [](std::string& out, std::string_view, const R& row) { append_short_json(out, row); });
}

}  // namespace mlforge::projections
