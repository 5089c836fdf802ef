// Where a command writes what may be long: the file of -o, or stdout.
#pragma once
#include <fstream>
#include <string>

#include "events/error.hpp"
#include "gateway/cli/io.hpp"

namespace mlforge::gateway::cli {

// The file appears, or takes the place of the one that is there, when all of it is written; until
// then it is `<path>.<pid>.part`, which goes away where the command fails. Links, pipes and devices
// are written to as they are. One thread.
class OutputFile {
 public:
  // An empty path is stdout. internal, with the field `output`, where it cannot be written.
  static Expected<OutputFile> open(const Io& io, const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  std::ostream& stream() { return path_.empty() ? *out_ : file_; }
  // After the last byte. internal where something of it was not written.
  Status keep();

 private:
  OutputFile() = default;
  Error unwritable() const;

  std::ostream* out_ = nullptr;
  std::ofstream file_;
  std::string path_, part_;  // part_: empty where the file itself is written
};

}  // namespace mlforge::gateway::cli
