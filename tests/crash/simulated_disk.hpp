// A disk that remembers. While a SimulatedDisk lives, all writing calls of this process below its
// folder (open, pwrite, writev, write, ftruncate, mkdir, rename, unlink, fsync, fdatasync; also
// those of liblmdb, for the program's own definitions come first) go into a journal, and calls can
// be made to fail. Nothing is ever synced for real. disk_image.hpp says what of the journal is
// there after a power cut.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mlforge::crash {

// A file or folder, as long as it lives; a name that is used again is another node.
using Node = int;
inline constexpr Node kRoot = 0;

enum class Call { write, truncate, sync, link, rename, unlink };

struct Entry {
  Call call = Call::write;
  Node node = kRoot;         // written, synced, named or unnamed
  bool synchronous = false;  // a write through a descriptor with O_DSYNC: durable once it returned
  bool data_only = false;    // a sync by fdatasync
  bool failed = false;       // a sync that was answered with an error
  std::uint64_t offset = 0;  // of a write; of a truncation the new size
  std::string bytes;
  Node folder = kRoot;  // where a name is made or taken away
  std::string name;
  Node to_folder = kRoot;  // of a rename
  std::string to_name;
};

struct Journal {
  std::vector<Entry> entries;
  std::vector<bool> is_folder{true};  // by node; the root is one
  // The node that has `path` (relative to the root: "data/log/data.mdb") after all entries; -1.
  Node find(const std::string& path) const;
};

struct Fault {
  enum class At { write, sync } at = At::write;
  std::uint64_t nth = 0;  // 1: the next such call; 0: none fails
  int error = 0;          // errno
  bool for_good = false;  // every later write and sync fails too
  std::string file;       // only calls on this path, relative to the root; empty: on all
};

class SimulatedDisk {
 public:
  // `root` must exist. With a journal its files must be there as the journal leaves them, and the
  // journal goes on. One at a time. Descriptors that are open when it ends are no longer followed.
  explicit SimulatedDisk(std::filesystem::path root, Journal journal = {});
  ~SimulatedDisk();
  SimulatedDisk(const SimulatedDisk&) = delete;

  // Take them while no call is under way.
  const Journal& journal() const;
  std::size_t size() const { return journal().entries.size(); }
  void arm(const Fault& fault);
  // How often the armed fault has struck.
  std::uint64_t struck() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mlforge::crash
