#pragma once

#include "base/bytes.hpp"

#include <algorithm>
#include <cstdint>

namespace backstay::core
{

inline constexpr std::uint64_t most_read_at_once = 8 * MiB; ///< of a pack
/// Reading on is cheaper than asking again, on disks and in S3.
inline constexpr std::uint64_t gap_worth_reading = 256 * KiB;

/// A stretch of a pack that one read gets, gaps between the wanted frames included.
struct FrameRange {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;

    std::uint64_t size() const { return end - begin; }
    FrameRange with(const FrameRange& other) const
    {
        return {std::min(begin, other.begin), std::max(end, other.end)};
    }
    /// Whether one read of both, of at most `most_bytes`, is better than two.
    bool joins(const FrameRange& other, std::uint64_t most_bytes) const
    {
        return other.begin <= end + gap_worth_reading && begin <= other.end + gap_worth_reading &&
               with(other).size() <= most_bytes;
    }
};

} // namespace backstay::core
