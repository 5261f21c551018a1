#include "postgres/visibility_map.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

constexpr std::size_t page_size = 8192;
constexpr std::uint64_t blocks_a_page = (page_size - 24) * 4; // 32,672

/// The two bits of a block of the table.
unsigned bits_of(const Bytes& page, std::uint64_t block_of_page)
{
    return page[24 + block_of_page / 4] >> (block_of_page % 4 * 2) & 3U;
}

Bytes all_visible()
{
    return Bytes(page_size, 0xFF);
}

} // namespace

TEST_CASE("blocks that changed are not visible to all any more, and others stay as they were")
{
    HeapChanges changes(131072);
    changes.add(0, {0, 5, 32671, 32672, 131071});
    Bytes page = all_visible();
    CHECK(clear_visibility(page, 0, changes));
    for (std::uint64_t block = 0; block < blocks_a_page; ++block) {
        const unsigned wanted = block == 0 || block == 5 || block == 32671 ? 0 : 3;
        if (bits_of(page, block) != wanted) {
            FAIL_CHECK("block ", block, " has ", bits_of(page, block));
        }
    }
    CHECK(Bytes(page.begin(), page.begin() + 24) == Bytes(24, 0xFF));
    CHECK_FALSE(clear_visibility(page, 0, changes));

    page = all_visible();
    CHECK(clear_visibility(page, 1, changes));
    CHECK(bits_of(page, 0) == 0);
    CHECK(bits_of(page, 1) == 3);
}

TEST_CASE("a page of the map tells of blocks in two segments")
{
    HeapChanges changes(131072);
    changes.add_whole(1);
    changes.add(2, {});
    constexpr std::uint64_t map_block = 131072 / blocks_a_page; // 4, from 130,688 on
    Bytes page = all_visible();
    CHECK(clear_visibility(page, map_block, changes));
    CHECK(bits_of(page, 131071 - map_block * blocks_a_page) == 3);
    CHECK(bits_of(page, 131072 - map_block * blocks_a_page) == 0);
    CHECK(bits_of(page, blocks_a_page - 1) == 0);
    page = all_visible();
    CHECK_FALSE(clear_visibility(page, 0, changes));
    CHECK_FALSE(clear_visibility(page, 20, changes));
    CHECK(page == all_visible());
    CHECK_FALSE(changes.contains(UINT64_MAX));
}
