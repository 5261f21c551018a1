#include "base/bytes.hpp"
#include "postgres/log_position.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("a place in the log is written and read as the server does")
{
    CHECK(format_log_position(0) == "0/0");
    CHECK(format_log_position(0x16'B374D848) == "16/B374D848");
    CHECK(parse_log_position("16/B374D848") == 0x16'B374D848);
    CHECK(parse_log_position("FFFFFFFF/ffffffff") == UINT64_MAX);
    for (const char* wrong :
         {"", "/", "1", "1/", "/1", "1/2/3", "G/0", "1/ 2", "-1/2", "123456789/0", "0/123456789"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_log_position(wrong));
    }
}

TEST_CASE("a segment's name tells timeline and place for every segment size")
{
    CHECK(segment_name(segment_at(1, 0x2'00000028, 16 * MiB), 16 * MiB) ==
          "000000010000000200000000");
    CHECK(segment_name(segment_at(3, 0xA'F3FFFFFF, 16 * MiB), 16 * MiB) ==
          "000000030000000A000000F3");
    for (std::uint64_t size = MiB; size <= GiB; size *= 2) {
        CAPTURE(size);
        const LogSegment segment = segment_at(7, 0x12'3456789A, size);
        CHECK(parse_segment_name(segment_name(segment, size), size) == segment);
        CHECK(segment_begin(segment, size) <= 0x12'3456789A);
        CHECK(segment_begin(segment, size) + size > 0x12'3456789A);
    }
}

TEST_CASE("what is no segment's name is not taken for one")
{
    for (const char* wrong : {"", "00000001000000020000000", "000000010000000200000000.partial",
                              "00000001000000020000010G", "000000010000000a00000000",
                              "000000000000000200000000", "000000010000000200000100"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_segment_name(wrong, 16 * MiB));
    }
    CHECK(is_timeline_history_name("00000002.history"));
    CHECK_FALSE(is_timeline_history_name("0000000g.history"));
    CHECK_FALSE(is_timeline_history_name("00000002.History"));
}
