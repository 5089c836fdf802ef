// What tells that a database of read models is damaged. It can be made anew from the log, so damage
// here costs time and nothing else.
#pragma once
#include <filesystem>
#include <string_view>

#include "events/error.hpp"

struct MDB_env;

namespace mlforge::projections {

// As storage::lmdb_error, but what speaks of damage becomes `corrupt` with the field "views", so
// that it is told from damage in the log.
Error view_error(int rc, std::string_view doing);

// Whether `error` came from view_error and means that the views must be made anew.
bool is_view_damage(const Error& error);

// Leaves a mark beside the database of `env`, so that the next ViewStore::open() throws it away: a
// page that only some queries read is as broken then as now. Any thread.
void mark_view_damage(MDB_env* env);
inline constexpr const char* kDamagedMark = "damaged";

// Whether LMDB may open `file`: both meta pages are LMDB's, their page size is possible, their
// roots lie inside of the file and the file is as long as the newer one says. (LMDB itself maps
// what is not there and dies of SIGBUS.) A file that is missing or empty will be made anew and is
// fine. A file whose last pages were freed before they were ever written is taken as damaged.
bool has_sound_meta(const std::filesystem::path& file);

}  // namespace mlforge::projections
