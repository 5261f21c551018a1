#include "repo/frame_table.hpp"

#include <doctest/doctest.h>
#include <stdexcept>

namespace backstay::core
{

namespace
{

SegmentPack pack_of(std::vector<std::uint32_t> key_records)
{
    SegmentPack pack;
    std::uint64_t offset = 16;
    for (const std::uint32_t record : key_records) {
        SegmentFrame frame;
        frame.key_record = record;
        frame.nonce.fill(static_cast<std::uint8_t>(pack.frames.size() + 1));
        frame.offset = offset;
        frame.stored_size = 100 + record;
        frame.plain_size = 200 + record;
        frame.blobs = 3;
        offset += frame.stored_size;
        pack.frames.push_back(frame);
    }
    return pack;
}

KeyRecord record_of(std::uint8_t value)
{
    KeyRecord record;
    record.kind = KeyRecord::Kind::salt;
    record.value = Bytes(32, value);
    return record;
}

} // namespace

TEST_CASE("frames come back as they were said, each with its own key record")
{
    FrameTable table;
    table.add(pack_of({0, 1, 0}), {record_of(5), record_of(6)});
    table.add(pack_of({}), {});
    table.add(pack_of({1}), {record_of(7), record_of(5)}); // the number of 5 is another one here
    REQUIRE(table.packs() == 3);
    CHECK(table.frames(0).size() == 3);
    CHECK(table.frames(1).empty());
    CHECK(table.frame(0, 1).key_record == record_of(6));
    CHECK(table.frame(0, 2).key_record == record_of(5));
    CHECK(table.frame(2, 0).key_record == record_of(5));
    CHECK(table.frame(0, 2).offset == 16 + 100 + 101);
    CHECK(table.frame(0, 2).nonce.front() == 3);
    CHECK(table.frames(0)[1].stored_size == 101);
    CHECK(table.frames(0)[1].plain_size == 201);
    CHECK(table.frames(0)[1].blobs == 3);
}

TEST_CASE("a frame or a pack that is not there is refused")
{
    FrameTable table;
    table.add(pack_of({0}), {record_of(5)});
    table.add(pack_of({0}), {record_of(5)});
    CHECK_THROWS_AS(table.frame(0, 1), std::out_of_range);
    CHECK_THROWS_AS(table.frame(2, 0), std::out_of_range);
    CHECK_THROWS_AS(table.frames(2), std::out_of_range);
    CHECK_THROWS_AS(table.add(pack_of({1}), {record_of(5)}), std::out_of_range);
}

} // namespace backstay::core
