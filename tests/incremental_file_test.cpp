#include "postgres/incremental_file.hpp"

#include "support/hostile_bytes.hpp"

#include <cstring>
#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

constexpr IncrementalBounds bounds{1024, 500};

void put(Bytes& to, std::uint32_t number)
{
    std::uint8_t bytes[sizeof number];
    std::memcpy(bytes, &number, sizeof number);
    append(to, bytes);
}

/// The head as a server sends it, without the blocks.
Bytes head_of(std::uint32_t truncation, const std::vector<std::uint32_t>& blocks)
{
    Bytes bytes;
    put(bytes, 0xd3ae1f0d);
    put(bytes, static_cast<std::uint32_t>(blocks.size()));
    put(bytes, truncation);
    for (const std::uint32_t block : blocks) {
        put(bytes, block);
    }
    if (!blocks.empty()) {
        bytes.resize((bytes.size() + bounds.page_size - 1) / bounds.page_size * bounds.page_size);
    }
    return bytes;
}

/// Reads a head of which `blocks` blocks follow; `rest` gets what it left, pieces are small.
IncrementalHead read_head(ByteSpan bytes, std::size_t blocks, std::size_t* rest = nullptr)
{
    const std::uint64_t size = bytes.size() + blocks * bounds.page_size;
    const IncrementalHead head = read_incremental_head(
        [&bytes](MutableByteSpan into) {
            const std::size_t got = std::min({into.size(), bytes.size(), std::size_t{100}});
            std::copy_n(bytes.begin(), got, into.begin());
            bytes = bytes.subspan(got);
            return got;
        },
        size, bounds);
    if (rest != nullptr) {
        *rest = bytes.size();
    }
    return head;
}

} // namespace

TEST_CASE("the head of an incremental file says which blocks follow and how long the file is")
{
    for (const std::size_t count : {0UL, 1UL, 252UL, 253UL, 254UL, 500UL}) {
        CAPTURE(count);
        std::vector<std::uint32_t> blocks;
        for (std::size_t i = 0; i < count; ++i) {
            blocks.push_back(static_cast<std::uint32_t>(i));
        }
        std::size_t rest = 1;
        const IncrementalHead head = read_head(head_of(300, blocks), count, &rest);
        CHECK(head.blocks == blocks);
        CHECK(head.truncation == 300);
        CHECK(head.length() == std::max<std::size_t>(300, count));
        CHECK(rest == 0);
    }
    CHECK(read_head(head_of(10, {3, 17}), 2).length() == 18);
    CHECK(read_head(head_of(0, {}), 0).length() == 0);
}

TEST_CASE("a truncation behind the segment's end means the whole segment")
{
    CHECK(read_head(head_of(UINT32_MAX, {}), 0).truncation == bounds.segment_blocks);
}

TEST_CASE("a head that cannot be is refused")
{
    const auto refuses = [](const Bytes& bytes, std::size_t blocks) {
        return is_refused(bytes, [blocks](ByteSpan some) { return read_head(some, blocks); });
    };
    CHECK(refuses(head_of(10, {4, 4}), 2));
    CHECK(refuses(head_of(10, {4, 3}), 2));
    CHECK(refuses(head_of(10, {4, 500}), 2));
    CHECK(refuses(head_of(10, {4, UINT32_MAX}), 2));
    CHECK(refuses(head_of(10, {4, 5}), 1));
    CHECK(refuses(head_of(10, {4, 5}), 3));
    CHECK(refuses(head_of(10, {}), 1));
    Bytes bytes = head_of(10, {});
    bytes[0] ^= 1;
    CHECK(refuses(bytes, 0));
    bytes = head_of(10, {});
    bytes[4] = bytes[5] = bytes[6] = bytes[7] = 0xFF; // four gibi-blocks that nobody sends
    CHECK(refuses(bytes, UINT32_MAX));
}

TEST_CASE("a head that is cut anywhere, or changed, gives nothing that it does not say")
{
    for (const std::vector<std::uint32_t>& blocks :
         {std::vector<std::uint32_t>{}, {0}, {1, 5, 499}}) {
        const Bytes whole = head_of(7, blocks);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            CAPTURE(size);
            const std::uint64_t file_size = whole.size() + blocks.size() * bounds.page_size;
            ByteSpan left = ByteSpan(whole).first(size);
            CHECK_THROWS_AS(read_incremental_head(
                                [&left](MutableByteSpan into) {
                                    const std::size_t got = std::min(into.size(), left.size());
                                    std::copy_n(left.begin(), got, into.begin());
                                    left = left.subspan(got);
                                    return got;
                                },
                                file_size, bounds),
                            Error);
        }
        Bytes numbers(whole.begin(),
                      whole.begin() + static_cast<std::ptrdiff_t>(12 + 4 * blocks.size()));
        for (std::size_t at = 0; at < numbers.size(); ++at) {
            Bytes changed = whole;
            changed[at] ^= 0x40;
            const auto head = decoded_or_refused(
                changed, [&](ByteSpan some) { return read_head(some, blocks.size()); });
            const bool in_bounds = !head || (head->length() <= bounds.segment_blocks &&
                                             head->blocks.size() == blocks.size());
            CHECK(in_bounds);
        }
    }
}

TEST_CASE("only files of relations have incremental names")
{
    CHECK(incremental_original("base/5/INCREMENTAL.16384") == "base/5/16384");
    CHECK(incremental_original("base/5/INCREMENTAL.16384_vm.2") == "base/5/16384_vm.2");
    CHECK(incremental_original("global/INCREMENTAL.1262") == "global/1262");
    CHECK(incremental_original("PG_17_202406281/5/INCREMENTAL.99.1") == "PG_17_202406281/5/99.1");
    for (const char* other :
         {"base/5/16384", "INCREMENTAL.16384", "base/5/INCREMENTAL.", "base/5/INCREMENTAL.notes",
          "pg_wal/INCREMENTAL.1", "base/INCREMENTAL.5/1", "base/5/INCREMENTAL.../1", ""}) {
        CAPTURE(other);
        CHECK(incremental_original(other).empty());
    }
}
