// What is on a disk after the power went. Nothing is certain but this: what was written to a file
// before a sync of that file that returned well, what was written through O_DSYNC and returned, and
// the names in a folder that was synced. Of the rest any part may be there, in any order: of the
// data by sectors of 512 bytes (or by whole writes), of names by operations.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/crash/simulated_disk.hpp"

namespace mlforge::crash {

inline constexpr std::size_t kSectorBytes = 512;

enum class Kept {
  all,      // as if only the process had been killed
  none,     // nothing but what must be there
  writes,   // an arbitrary part of the writes, each whole
  sectors,  // an arbitrary part of the sectors of all writes
};

class Disk {
 public:
  // With `fdatasync_works` false, that call does nothing: the mistake that the tests must find.
  explicit Disk(bool fdatasync_works = true) : fdatasync_works_(fdatasync_works) {}

  // The next entry of the journal has returned.
  void apply(const Journal& journal, const Entry& entry) { apply(journal, entry, false); }
  // It was under way when the power went: as much of it is there as of anything unsynced.
  void interrupt(const Journal& journal, const Entry& entry) { apply(journal, entry, true); }

  // Writes what is left after a power cut below `folder`, an empty one. What is left is drawn from
  // `random`, also whether what was never written reads as zeros.
  void write_image(const std::filesystem::path& folder, Kept kept, std::mt19937_64& random) const;

 private:
  struct Version {
    std::uint64_t write;  // which one
    std::string bytes;    // of the whole sector after it
  };
  struct File {
    std::string cached;                                      // as programs read it
    std::string durable;                                     // as it was when last synced
    std::map<std::uint64_t, std::vector<Version>> unsynced;  // by sector
  };
  struct Operation {
    Call call;
    Node node;
    std::string name, to_name;
  };
  struct Folder {
    std::map<std::string, Node> durable;
    std::vector<Operation> unsynced;
  };

  void apply(const Journal& journal, const Entry& entry, bool interrupted);
  void write(File& file, const Entry& entry, bool synchronous);
  void sync(const Journal& journal, Node node);
  static void change(std::map<std::string, Node>& names, const Operation& operation);
  std::string content(const File& file, Kept kept, std::mt19937_64& random) const;
  void write_folder(const std::filesystem::path& path, Node node, Kept kept,
                    std::mt19937_64& random) const;

  bool fdatasync_works_;
  std::uint64_t writes_ = 0;
  std::map<Node, File> files_;
  std::map<Node, Folder> folders_{{kRoot, {}}};
};

}  // namespace mlforge::crash
