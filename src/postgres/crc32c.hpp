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

} // namespace backstay::core
