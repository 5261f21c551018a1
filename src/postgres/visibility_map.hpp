#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace backstay::core
{

/// Which blocks of a table may have changed. One thread at a time.
class HeapChanges
{
public:
    explicit HeapChanges(std::uint32_t segment_blocks) : segment_blocks_(segment_blocks) {}

    /// `blocks` of the segment, ascending.
    void add(std::uint32_t segment, const std::vector<std::uint32_t>& blocks);
    void add_whole(std::uint32_t segment);
    bool contains(std::uint64_t block) const;

private:
    std::uint32_t segment_blocks_;
    std::map<std::uint32_t, std::vector<bool>> segments_; ///< empty: all of it
};

/// Takes back, in a page of a table's visibility map, that blocks which may have changed are
/// visible to all: a map may say too little of a block, never too much. `map_block` is the page's
/// number in the map. The page's checksum is left as it was. True if there was anything to do.
bool clear_visibility(MutableByteSpan page, std::uint64_t map_block, const HeapChanges& changes);

} // namespace backstay::core
