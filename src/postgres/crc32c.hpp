#pragma once

#include "base/bytes.hpp"

#include <cstdint>

namespace backstay::core
{

/// CRC-32C (Castagnoli) of bytes that come in pieces. One thread at a time.
class Crc32c
{
public:
    void update(ByteSpan bytes);
    std::uint32_t value() const { return ~state_; }

private:
    std::uint32_t state_ = 0xFFFFFFFF;
};

/// What the sum of bytes, or the difference (xor) of two sums of as many bytes, becomes when
/// `bytes` more follow: the sum of A and B together is crc32c_shift(sum of A, size of B) ^ sum of
/// B, and where both A and A' are followed by the same B, the sums' difference shifts alike.
std::uint32_t crc32c_shift(std::uint32_t sum, std::uint64_t bytes);

/// Takes that back.
std::uint32_t crc32c_unshift(std::uint32_t sum, std::uint64_t bytes);

} // namespace backstay::core
