// Opens the read models beside a log, whatever state they are in.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>

#include "projections/projector.hpp"

namespace mlforge::projections {

struct OpenViews {
  std::unique_ptr<ViewStore> store;
  std::unique_ptr<ProjectionEngine> engine;  // goes before the store
  Status behind;  // why they stand at engine->position() before the log's head; empty: they do not
};

// Opens the views in `folder` and brings them up to the log's head. Damaged ones are thrown away
// and made anew. A log that cannot be read to its end (a damaged record), or a disk that is full,
// is no error here: the views then stand where they got to, and `behind` says why. Removes what an
// interrupted rebuild left beside the folder. `building` may be empty; it is told how many events
// there are to apply. Where `stop` answers true between two batches, the views stand where they got
// to and `behind` is empty. `log` must outlive the answer.
Expected<OpenViews> open_views(const storage::Log& log, const std::filesystem::path& folder,
                               const ViewStoreOptions& options = {},
                               const std::function<void(std::uint64_t events)>& building = {},
                               const std::function<bool()>& stop = {});

// A copy of this moment in `folder`, which is made or emptied, and can be opened as a store.
Status copy_views(const ViewStore& store, const std::filesystem::path& folder);
// Has the next open of a folder that is closed begin with no rows.
Status discard_views(const std::filesystem::path& folder);
// Puts the closed store `fresh` in the place of the closed store `folder`. A kill in between leaves
// no store, which is as good as an empty one.
Status replace_views(const std::filesystem::path& folder, const std::filesystem::path& fresh);

// Beside `folder`: where a rebuild makes the new views.
std::filesystem::path fresh_views_folder(const std::filesystem::path& folder);

}  // namespace mlforge::projections
