#pragma once

#include "base/bytes.hpp"

#include <algorithm>

namespace backstay::core
{

/// Takes small pieces off the front of an input; zeros behind its end.
class Pieces
{
public:
    explicit Pieces(ByteSpan bytes) : rest_(bytes) {}
    bool at_end() const { return rest_.empty(); }
    std::uint8_t byte()
    {
        const ByteSpan one = bytes(1);
        return one.empty() ? 0 : one[0];
    }
    std::size_t number()
    {
        const std::size_t low = byte();
        return low | static_cast<std::size_t>(byte()) << 8U;
    }
    ByteSpan bytes(std::size_t size)
    {
        const ByteSpan taken = rest_.first(std::min(size, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }

private:
    ByteSpan rest_;
};

} // namespace backstay::core
