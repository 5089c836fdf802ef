// How much a sanitized program looks at of what the others look at (where the power is cut, which
// call fails, seeds of a storm): it is several times slower, and what it is to find shows in a part
// of them.
#pragma once
#include <cstddef>

namespace mlforge::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::size_t kEvery = 4;
#else
inline constexpr std::size_t kEvery = 1;
#endif

}  // namespace mlforge::test
