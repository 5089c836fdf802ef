#include "gateway/cli/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

namespace mlforge::gateway::cli {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

ProgressBar::ProgressBar(const Io& io, std::string label) : io_(io), label_(std::move(label)) {}

void ProgressBar::update(std::uint64_t done, std::uint64_t total) {
  if (!io_.err_is_terminal || total == 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  shown_ = true;
  constexpr std::size_t kCells = 30;
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto full = static_cast<std::size_t>(share * kCells);
  io_.err << fmt::format("\r\x1b[K{} [{}{}] {:3.0f} %", label_, std::string(full, '#'),
                         std::string(kCells - full, ' '), share * 100)
          << std::flush;
}

void ProgressBar::clear() {
  if (shown_) io_.err << "\r\x1b[K" << std::flush;
  shown_ = false;
}

CountingFile::CountingFile(const std::string& path, std::uint64_t size, ProgressBar& bar)
    : size_(size), bar_(bar) {
  file_.open(path, std::ios::in | std::ios::binary);
}

CountingFile::int_type CountingFile::underflow() {
  const auto got = file_.sgetn(buffer_, sizeof buffer_);
  if (got <= 0) return traits_type::eof();
  setg(buffer_, buffer_, buffer_ + got);
  done_ += static_cast<std::uint64_t>(got);
  bar_.update(done_, size_);
  return traits_type::to_int_type(buffer_[0]);
}

}  // namespace mlforge::gateway::cli
