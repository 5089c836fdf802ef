// What a crash tells the next start. LMDB trusts the pages that it maps, so a damaged file of what
// is derived from the log (read models, snapshots, index, tiles) can crash who reads it, at every
// start again. So a crash leaves a note, and the start that finds it throws all of that away.
#pragma once
#include <filesystem>

#include "events/error.hpp"

namespace mlforge::gateway {

// The file CRASHED in the data folder.
inline constexpr const char* kCrashNote = "CRASHED";

// From now on SIGSEGV, SIGBUS and SIGABRT leave the note in `data_folder` before they end the
// process as they would have. To be called once.
void note_crashes(const std::filesystem::path& data_folder);

// Where there is a note: deletes what is made anew from the log, then the note, and answers true.
// Takes the folder's lock meanwhile: `conflict` where another process has it open.
Expected<bool> discard_after_crash(const std::filesystem::path& data_folder);

}  // namespace mlforge::gateway
