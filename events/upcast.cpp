#include "events/upcast.hpp"

#include <algorithm>
#include <cstring>

#include "events/columns.hpp"

namespace mlforge {
namespace {

// Version 2 has the column `sealed`; in version 1 nothing was encrypted.
Expected<std::string> prediction_logged_1(std::string_view payload) {
  columns::Reader reader(payload);
  while (reader.next()) {
  }
  if (!reader.ok()) return Error{ErrorCode::corrupt, "the columns of this payload end early", ""};
  std::uint16_t count = 0;
  std::memcpy(&count, payload.data(), sizeof count);
  if (++count == 0)
    return Error{ErrorCode::corrupt, "the columns of this payload are too many", ""};
  std::string out(reinterpret_cast<const char*>(&count), sizeof count);
  out.append(payload.substr(sizeof count));
  constexpr std::string_view kName = "sealed";
  out += static_cast<char>(kName.size());
  out.append(kName);
  columns::put(out, std::vector<std::string>{});
  return out;
}

constexpr Upcaster kSteps[] = {
    {"prediction.logged", 1, ContentType::columns, prediction_logged_1},
};

const Upcaster* find_step(std::span<const Upcaster> steps, std::string_view type,
                          ContentType content, std::uint16_t from) {
  const auto at = std::find_if(steps.begin(), steps.end(), [&](const Upcaster& each) {
    return each.from == from && each.content == content && each.type == type;
  });
  return at == steps.end() ? nullptr : &*at;
}

}  // namespace

std::span<const Upcaster> upcasters() { return kSteps; }

bool can_upcast(std::string_view type, ContentType content, std::uint16_t from, std::uint16_t to,
                std::span<const Upcaster> steps) {
  while (from < to && find_step(steps, type, content, from)) ++from;
  return from == to;
}

Expected<std::string> upcast(std::string_view type, ContentType content, std::uint16_t from,
                             std::uint16_t to, std::string_view payload,
                             std::span<const Upcaster> steps) {
  std::string out(payload);
  for (; from < to; ++from) {
    const auto* step = find_step(steps, type, content, from);
    if (!step)
      return Error{ErrorCode::corrupt, "there is no way from this version to the next", ""};
    auto next = step->step(out);
    if (!next) return next.error();
    out = *std::move(next);
  }
  return out;
}

}  // namespace mlforge
