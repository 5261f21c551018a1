#include "postgres/visibility_map.hpp"

namespace backstay::core
{

namespace
{

// PostgreSQL's access/visibilitymapdefs.h: behind the page's header two bits a block.
constexpr std::size_t header_size = 24;
constexpr std::uint64_t blocks_a_byte = 4;
constexpr unsigned bits_a_block = 2;
constexpr unsigned block_mask = 3;

} // namespace

void HeapChanges::add(std::uint32_t segment, const std::vector<std::uint32_t>& blocks)
{
    if (blocks.empty()) {
        return;
    }
    std::vector<bool> changed(blocks.back() + std::size_t{1});
    for (const std::uint32_t block : blocks) {
        changed[block] = true;
    }
    segments_[segment] = std::move(changed);
}

void HeapChanges::add_whole(std::uint32_t segment)
{
    segments_[segment] = {};
}

bool HeapChanges::contains(std::uint64_t block) const
{
    const std::uint64_t segment = block / segment_blocks_;
    const auto found = segment <= UINT32_MAX ? segments_.find(static_cast<std::uint32_t>(segment))
                                             : segments_.end();
    if (found == segments_.end()) {
        return false;
    }
    const std::vector<bool>& changed = found->second;
    const auto at = static_cast<std::size_t>(block % segment_blocks_);
    return changed.empty() || (at < changed.size() && changed[at]);
}

bool clear_visibility(MutableByteSpan page, std::uint64_t map_block, const HeapChanges& changes)
{
    const MutableByteSpan map = page.subspan(header_size);
    const std::uint64_t first = map_block * map.size() * blocks_a_byte;
    bool any = false;
    for (std::size_t at = 0; at < map.size(); ++at) {
        for (unsigned i = 0; i < blocks_a_byte && map[at] != 0; ++i) {
            const unsigned mask = block_mask << (i * bits_a_block);
            if ((map[at] & mask) != 0 && changes.contains(first + at * blocks_a_byte + i)) {
                map[at] = static_cast<std::uint8_t>(map[at] & ~mask);
                any = true;
            }
        }
    }
    return any;
}

} // namespace backstay::core
