// Where all projections keep their rows: one LMDB environment that can be rebuilt from the log at
// any time, and is therefore never synced while it works.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "projections/view_reader.hpp"
#include "projections/view_writer.hpp"

namespace mlforge::projections {

struct ViewStoreOptions {
  std::uint64_t map_bytes = 64ull << 30;  // address space, not disk
  unsigned readers = 512;                 // readers at the same time
  std::string boot_id;                    // empty: that of the running machine
};

// Beside the database lies the file `state`, "<boot id> open" or "<boot id> clean", written
// durably. It is read before LMDB touches its pages, for after a power cut those may be garbage:
// found "open" with another boot id, the database is deleted. A killed process leaves its pages
// with the kernel, so the same boot id keeps them. What depends on the log (its id, the positions)
// is checked by the engine and lies in the same transactions as the rows.
class ViewStore {
 public:
  // Opens or creates the folder. internal or read_only where the disk does not let it.
  static Expected<std::unique_ptr<ViewStore>> open(const std::filesystem::path& folder,
                                                   const ViewStoreOptions& options = {});
  // Like a kill: without close() the shutdown counts as unclean.
  ~ViewStore() = default;
  ViewStore(const ViewStore&) = delete;
  ViewStore& operator=(const ViewStore&) = delete;

  // Syncs, marks the shutdown as clean and closes. No reader may be left, and none is given after.
  Status close();

  // A snapshot of this moment. unavailable where all reader slots are taken. Any thread.
  Expected<ViewReader> reader() const;

  // Whether open() threw the rows away after an unclean restart of the machine.
  bool discarded() const { return discarded_; }

  const ViewTables& tables() const { return tables_; }
  MDB_env* env() const { return env_.get(); }

 private:
  ViewStore() = default;
  Status open_tables();
  Status write_state(std::string_view word) const;

  std::filesystem::path folder_;
  std::string boot_id_;
  storage::Env env_;
  ViewTables tables_;
  bool discarded_ = false;
};

}  // namespace mlforge::projections
