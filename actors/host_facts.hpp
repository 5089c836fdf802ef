// The facts of this machine as an environment.
#pragma once
#include <string>

#include "events/vocabulary.hpp"

namespace mlforge::actors {

// "os", "kernel", "cpu", "cores", "memory_mib", "cuda", "mps", "container", "git_commit", "python",
// and the versions of the libraries; a fact that cannot be had is "none". Never fails; takes well
// under a second.
Texts host_facts();

// SHA-256 over the facts, "name=value\n" in order of the names.
std::string facts_digest(const Texts& facts);

}  // namespace mlforge::actors
