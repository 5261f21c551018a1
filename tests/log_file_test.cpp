#include "base/error.hpp"
#include "postgres/log_file.hpp"

#include <cstring>
#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

Bytes header_of(std::uint32_t timeline, LogPosition position, std::uint32_t segment_size)
{
    Bytes bytes(log_file_header_size);
    const auto put = [&bytes](std::size_t at, auto number) {
        std::memcpy(bytes.data() + at, &number, sizeof number);
    };
    put(2, std::uint16_t{2});
    put(4, timeline);
    put(8, position);
    put(24, std::uint64_t{7430000000000000001});
    put(32, segment_size);
    return bytes;
}

bool fits(const char* name, std::uint64_t size)
{
    const auto header = decode_log_file_header(header_of(2, 0x3000000, 16 * MiB));
    REQUIRE(header);
    try {
        check_segment(name, *header, size);
        return true;
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::invalid);
        return false;
    }
}

} // namespace

TEST_CASE("a segment tells its system, place, timeline and size")
{
    const auto header = decode_log_file_header(header_of(2, 0x3000000, 16 * MiB));
    REQUIRE(header);
    CHECK(header->system_id == 7430000000000000001);
    CHECK(header->timeline == 2);
    CHECK(header->position == 0x3000000);
    CHECK(header->segment_size == 16 * MiB);
}

TEST_CASE("only the whole segment of its name is taken")
{
    CHECK(fits("000000020000000000000003", 16 * MiB));
    CHECK(fits("000000030000000000000003", 16 * MiB)); // begun on the timeline before
    CHECK_FALSE(fits("000000010000000000000003", 16 * MiB));
    CHECK_FALSE(fits("000000020000000000000004", 16 * MiB));
    CHECK_FALSE(fits("000000020000000000000003", 16 * MiB - 1));
    CHECK_FALSE(fits("000000020000000000000003", 32 * MiB));
}

TEST_CASE("what is no beginning of a segment is not taken for one")
{
    CHECK_FALSE(decode_log_file_header({}));
    CHECK_FALSE(decode_log_file_header(Bytes(log_file_header_size)));
    CHECK_FALSE(decode_log_file_header(Bytes(log_file_header_size, 0xFF)));
    CHECK_FALSE(decode_log_file_header(header_of(1, 0x3000100, 16 * MiB)));
    CHECK_FALSE(decode_log_file_header(header_of(1, 0x3000000, 3 * MiB)));
    Bytes cut = header_of(1, 0x3000000, 16 * MiB);
    cut.pop_back();
    CHECK_FALSE(decode_log_file_header(cut));
}

TEST_CASE("names of what archivers are given are known, others are not")
{
    for (const char* name : {"000000010000000A000000F3", "000000010000000A000000F3.partial",
                             "000000010000000A000000F3.00000028.backup", "00000002.history"}) {
        CAPTURE(name);
        CHECK(is_log_file_name(name));
    }
    for (const char* name :
         {"", "..", "000000010000000A000000F", "000000010000000A000000F3.x", "xlogtemp.1",
          "000000010000000A000000F3.0000002.backup", "../000000010000000A000000F3",
          "000000010000000A000000F3/x", "0000000g.history"}) {
        CAPTURE(name);
        CHECK_FALSE(is_log_file_name(name));
    }
    CHECK(is_segment_name("000000010000000A000000F3"));
    CHECK_FALSE(is_segment_name("000000010000000A000000F3.partial"));
}
