#include "base/size_text.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("sizes are powers of 1024 in every spelling")
{
    CHECK(parse_size("0") == 0);
    CHECK(parse_size("512") == 512);
    CHECK(parse_size("512B") == 512);
    CHECK(parse_size("64K") == 65'536);
    CHECK(parse_size("64k") == 65'536);
    CHECK(parse_size("64KiB") == 65'536);
    CHECK(parse_size("64 kb") == 65'536);
    CHECK(parse_size("10MB") == 10'485'760);
    CHECK(parse_size("1.5G") == 1'610'612'736);
    CHECK(parse_size("0.5K") == 512);
    CHECK(parse_size("2T") == 2'199'023'255'552);
    CHECK(parse_size("1P") == 1'125'899'906'842'624);
    CHECK(parse_size("18446744073709551615") == UINT64_MAX);
    CHECK(parse_size("15E") == 17'293'822'569'102'704'640U);
}

TEST_CASE("what is no size, or too large, is refused")
{
    for (const char* text :
         {"", "K", "-1", "+1", "1x", "1KiBs", "1iB", "1 2", "0x10", "1..5", ".", "nan", "16E",
          "18446744073709551616", "99999999999999999999E", "1e3", " 1", "1K "}) {
        CAPTURE(text);
        CHECK_FALSE(parse_size(text));
    }
}

TEST_CASE("sizes are written with three digits")
{
    CHECK(format_size(0) == "0 B");
    CHECK(format_size(1023) == "1023 B");
    CHECK(format_size(1024) == "1.00 KiB");
    CHECK(format_size(1536) == "1.50 KiB");
    CHECK(format_size(10'240) == "10.0 KiB");
    CHECK(format_size(102'400) == "100 KiB");
    CHECK(format_size(1'023 * 1024) == "1.00 MiB");
    CHECK(format_size(1'610'612'736) == "1.50 GiB");
    CHECK(format_size(UINT64_MAX) == "16.0 EiB");
}
