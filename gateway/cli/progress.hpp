// Progress on stderr: a bar while it is a terminal, nothing where it is not.
#pragma once
#include <chrono>
#include <cstdint>
#include <fstream>
#include <streambuf>
#include <string>

#include "gateway/cli/io.hpp"

namespace mlforge::gateway::cli {

double seconds_since(std::chrono::steady_clock::time_point start);

class ProgressBar {
 public:
  ProgressBar(const Io& io, std::string label);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Redraws ten times a second at most.
  void update(std::uint64_t done, std::uint64_t total);
  void clear();

 private:
  const Io& io_;
  std::string label_;
  std::chrono::steady_clock::time_point drawn_{};
  bool shown_ = false;
};

// Reads a file and tells a bar how far the reader is.
class CountingFile : public std::streambuf {
 public:
  CountingFile(const std::string& path, std::uint64_t size, ProgressBar& bar);
  bool is_open() const { return file_.is_open(); }

 protected:
  int_type underflow() override;

 private:
  std::filebuf file_;
  std::uint64_t size_, done_ = 0;
  ProgressBar& bar_;
  char buffer_[64 << 10];
};

}  // namespace mlforge::gateway::cli
