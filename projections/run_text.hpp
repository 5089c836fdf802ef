// The JSON of a run's row while it changes.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "events/vocabulary.hpp"

namespace mlforge::projections {

struct StoredRun;

// What append_short_json() writes of a run, made from what it was before where that is known: a run
// gets its params and tags one after the other, and its row has all of them. One thread.
class RunText {
 public:
  // Members that follow each other: those up to "step", three of their own, those behind.
  enum Piece : std::size_t { head, params, tags, artifacts, rest };

  // All of them append to an empty `out`; `former`, where there is one, is what they wrote last.
  void write(std::string& out, const StoredRun& run);
  // Where nothing else changed than this piece.
  void rewrite(std::string& out, std::string_view former, const StoredRun& run, Piece piece);
  // Where nothing changed but one text of params or tags, which may be new.
  void set_text(std::string& out, std::string_view former, const StoredRun& run, Piece piece,
                const std::string& key, bool is_new);

 private:
  struct Edit {
    std::size_t from = 0, to = 0;  // in the piece
    std::string text;
  };
  bool knows(std::string_view former) const;
  static bool find_edit(std::string_view piece, const Texts& texts, const std::string& key,
                        bool is_new, Edit& edit);

  std::array<std::size_t, rest + 1> ends_{};  // of the pieces in what was written last
};

}  // namespace mlforge::projections
