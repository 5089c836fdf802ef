#include "events/vocabulary.hpp"

#include "events/one_of_table.hpp"

namespace mlforge {

template <>
const Alternative* alternatives<EventTypes>() {
  static constexpr auto table = one_of::table(EventTypes{});
  return table.data();
}

}  // namespace mlforge
