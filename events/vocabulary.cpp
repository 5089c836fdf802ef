#include "events/vocabulary.hpp"

namespace mlforge {

Event::Event() = default;
Event::Event(const Event&) = default;
Event::Event(Event&&) noexcept = default;
Event& Event::operator=(const Event&) = default;
Event& Event::operator=(Event&&) noexcept = default;
Event::~Event() = default;

template <class E>
void put(Event& event, E&& e) {
  event.emplace<E>(std::move(e));
}

// Their addresses are taken, so that each of them exists here.
template <class Variant>
struct AllPut;
template <class... E>
struct AllPut<std::variant<E...>> {
  std::tuple<void (*)(Event&, E&&)...> all{&put<E>...};
};
extern const AllPut<EventVariant> kAllPut;
const AllPut<EventVariant> kAllPut;

}  // namespace mlforge
