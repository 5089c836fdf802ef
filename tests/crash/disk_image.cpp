#include "tests/crash/disk_image.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace mlforge::crash {
namespace {

void put(std::string& file, std::uint64_t offset, const std::string& bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
  file.replace(offset, bytes.size(), bytes);
}

void write_whole(const std::filesystem::path& path, const std::string& bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  const bool done =
      fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  if (fd >= 0) ::close(fd);
  if (!done) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace

void Disk::write(File& file, const Entry& entry, bool synchronous) {
  put(file.cached, entry.offset, entry.bytes);
  const std::uint64_t end = entry.offset + entry.bytes.size();
  const std::uint64_t which = ++writes_;
  for (auto sector = entry.offset / kSectorBytes; sector * kSectorBytes < end; ++sector) {
    const auto at = sector * kSectorBytes;
    std::string bytes = file.cached.substr(at, kSectorBytes);
    if (synchronous) {
      put(file.durable, at, bytes);
      file.unsynced.erase(sector);
    } else {
      file.unsynced[sector].push_back({which, std::move(bytes)});
    }
  }
}

void Disk::sync(const Journal& journal, Node node) {
  if (journal.is_folder[node]) {
    Folder& folder = folders_[node];
    for (const Operation& operation : folder.unsynced) change(folder.durable, operation);
    folder.unsynced.clear();
  } else {
    File& file = files_[node];
    file.durable = file.cached;
    file.unsynced.clear();
  }
}

void Disk::apply(const Journal& journal, const Entry& e, bool interrupted) {
  switch (e.call) {
    case Call::write:
      write(files_[e.node], e, e.synchronous && !interrupted);
      break;
    case Call::truncate: {
      File& file = files_[e.node];
      file.cached.resize(e.offset);
      file.unsynced.erase(file.unsynced.lower_bound(e.offset / kSectorBytes), file.unsynced.end());
      break;
    }
    case Call::sync:
      if (!interrupted && !e.failed && (fdatasync_works_ || !e.data_only)) sync(journal, e.node);
      break;
    case Call::link:
      if (journal.is_folder[e.node]) folders_[e.node];
      [[fallthrough]];
    case Call::unlink:
      folders_[e.folder].unsynced.push_back({e.call, e.node, e.name, ""});
      break;
    case Call::rename:
      if (e.folder == e.to_folder) {
        folders_[e.folder].unsynced.push_back({e.call, e.node, e.name, e.to_name});
      } else {
        folders_[e.folder].unsynced.push_back({Call::unlink, e.node, e.name, ""});
        folders_[e.to_folder].unsynced.push_back({Call::link, e.node, e.to_name, ""});
      }
      break;
  }
}

void Disk::change(std::map<std::string, Node>& names, const Operation& operation) {
  if (operation.call != Call::link) names.erase(operation.name);
  if (operation.call == Call::link) names[operation.name] = operation.node;
  if (operation.call == Call::rename) names[operation.to_name] = operation.node;
}

std::string Disk::content(const File& file, Kept kept, std::mt19937_64& random) const {
  if (kept == Kept::all) return file.cached;
  std::string bytes = file.durable;
  if (kept == Kept::none) return bytes;
  // The length is metadata of its own: it may be there without the data.
  if (random() % 2) bytes.resize(file.cached.size(), random() % 2 ? '\0' : '\xa5');
  std::map<std::uint64_t, bool> is_kept;
  for (const auto& [sector, versions] : file.unsynced) {
    const Version* found = nullptr;
    if (kept == Kept::sectors) {
      const auto which = random() % (versions.size() + 1);
      if (which > 0) found = &versions[which - 1];
    } else {
      for (const Version& version : versions)
        if (is_kept.try_emplace(version.write, random() % 2).first->second) found = &version;
    }
    if (found) put(bytes, sector * kSectorBytes, found->bytes);
  }
  return bytes;
}

void Disk::write_folder(const std::filesystem::path& path, Node node, Kept kept,
                        std::mt19937_64& random) const {
  const auto found = folders_.find(node);
  if (found == folders_.end()) return;
  auto names = found->second.durable;
  for (const Operation& operation : found->second.unsynced)
    if (kept == Kept::all || (kept != Kept::none && random() % 2)) change(names, operation);
  for (const auto& [name, child] : names) {
    const auto file = files_.find(child);
    if (folders_.count(child)) {
      std::filesystem::create_directory(path / name);
      write_folder(path / name, child, kept, random);
    } else {
      write_whole(path / name,
                  file == files_.end() ? std::string() : content(file->second, kept, random));
    }
  }
}

void Disk::write_image(const std::filesystem::path& folder, Kept kept,
                       std::mt19937_64& random) const {
  write_folder(folder, kRoot, kept, random);
}

}  // namespace mlforge::crash
