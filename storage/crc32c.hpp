// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as in iSCSI (RFC 3720) and ext4.
#pragma once
#include <cstdint>

#include "storage/digest.hpp"

namespace mlforge::storage {

// crc32c("123456789") is 0xE3069283. Takes the SSE4.2 instruction where the processor has it.
std::uint32_t crc32c(Bytes bytes);

// Eight tables of 256 entries ("slicing by 8"), for processors without the instruction.
std::uint32_t crc32c_software(Bytes bytes);

}  // namespace mlforge::storage
