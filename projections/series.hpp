// Append-only series of fixed-size points, so that "as of" is a bound on their positions.
//
// The open end of a series is one row, table "tail": u16 size of the name, the name, the best point
// so far, then the points. A full tail's points move to a row of table "sealed", named by the
// position of their first point, and are never touched again. Where a tail is sealed depends on the
// points alone, never on batches; the points of one event stay in one row.
#pragma once
#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>

#include "projections/view_key.hpp"
#include "projections/view_writer.hpp"

namespace mlforge::projections {

// P: trivially copyable, begins with `Position position`, and has
//   static bool better(const P& candidate, const P& best)   what `best` is to keep.
template <class P>
struct Series {
  static_assert(std::is_trivially_copyable_v<P>);
  // A sealed row, and a full tail with a name that is not long, fit one page of LMDB with its head.
  static constexpr std::size_t kSealBytes = 3968 / sizeof(P) * sizeof(P);

  std::string_view projection;

  // One series: `owner` is a run, an endpoint.
  struct Id {
    std::string_view tenant, owner, name;
  };

  std::string tail_key(const Id& id) const {
    return view_key(projection, id.tenant, "tail", id.owner, id.name);
  }
  std::string tails_of(std::string_view tenant, std::string_view owner) const {
    return view_prefix(projection, tenant, "tail", owner);
  }
  std::string sealed_of(const Id& id) const {
    return view_prefix(projection, id.tenant, "sealed", id.owner, id.name);
  }

  static P point_at(std::string_view bytes, std::size_t at) {
    P point;
    std::memcpy(&point, bytes.data() + at, sizeof point);
    return point;
  }

  // What a tail row says.
  struct Tail {
    std::string_view name;
    P best;
    std::string_view points;
  };
  static Tail parse_tail(std::string_view row) {
    std::uint16_t size;
    std::memcpy(&size, row.data(), sizeof size);
    const std::size_t best = sizeof size + size;
    return {row.substr(sizeof size, size), point_at(row, best), row.substr(best + sizeof(P))};
  }

  // The best point so far of an open tail; nothing before the first append().
  static std::optional<P> best(const std::string& tail) {
    std::uint16_t size;
    std::memcpy(&size, tail.data(), sizeof size);
    if (tail.size() == sizeof size + size) return std::nullopt;
    return point_at(tail, sizeof size + size);
  }

  // The tail row of the series, for append(); valid until the writer's next flush.
  std::string& open(ViewWriter& view, const Id& id) const {
    return open(view, tail_key(id), id.name);
  }
  // The same by its key, which is tails_of() and the name as a part.
  std::string& open(ViewWriter& view, const std::string& tail_key, std::string_view name) const {
    std::string& tail = view.plain(tail_key);
    if (tail.empty()) {
      const auto size = static_cast<std::uint16_t>(std::min<std::size_t>(name.size(), 65535));
      tail.append(reinterpret_cast<const char*>(&size), sizeof size);
      tail.append(name.substr(0, size));
    }
    return tail;
  }

  void append(ViewWriter& view, const Id& id, std::string& tail, const P& point) const {
    std::uint16_t size;
    std::memcpy(&size, tail.data(), sizeof size);
    const std::size_t best = sizeof size + size, points = best + sizeof(P);
    const auto* bytes = reinterpret_cast<const char*>(&point);
    if (tail.size() == best)
      tail.append(bytes, sizeof point);
    else if (P::better(point, point_at(tail, best)))
      tail.replace(best, sizeof point, bytes, sizeof point);
    if (tail.size() - points >= kSealBytes &&
        point_at(tail, tail.size() - sizeof point).position != point.position) {
      const Position first = point_at(tail, points).position;
      view.add_plain(sealed_of(id) + ascending(first), std::string_view(tail).substr(points));
      tail.resize(points);
    }
    tail.append(bytes, sizeof point);
  }

  // Visits the points up to and including position `as_of` in the order of the log.
  template <class F>
  void read(ViewReader& view, const Id& id, Position as_of, F&& visit) const {
    const auto each = [&](std::string_view points) {
      for (std::size_t at = 0; at + sizeof(P) <= points.size(); at += sizeof(P)) {
        const P point = point_at(points, at);
        if (point.position > as_of) return false;
        visit(point);
      }
      return true;
    };
    bool more = true;
    view.scan_plain(sealed_of(id), {}, SIZE_MAX,
                    [&](std::string_view, std::string_view points) { return more = each(points); });
    if (!more) return;
    if (const auto row = view.get_plain(tail_key(id))) each(parse_tail(*row).points);
  }

  // The newest point at or before `as_of`.
  std::optional<P> last(ViewReader& view, const Id& id, std::string_view tail,
                        Position as_of) const {
    if (auto found = last_in(tail, as_of)) return found;
    std::optional<P> found;
    const std::string prefix = sealed_of(id);
    const std::string after = as_of == kLatest ? std::string() : prefix + ascending(as_of + 1);
    view.scan_plain(
        prefix, after, 1,
        [&](std::string_view, std::string_view points) {
          found = last_in(points, as_of);
          return false;
        },
        true);
    return found;
  }

 private:
  static std::optional<P> last_in(std::string_view points, Position as_of) {
    for (std::size_t at = points.size(); at >= sizeof(P); at -= sizeof(P))
      if (const P point = point_at(points, at - sizeof(P)); point.position <= as_of) return point;
    return std::nullopt;
  }
};

}  // namespace mlforge::projections
