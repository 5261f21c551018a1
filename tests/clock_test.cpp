#include "base/clock.hpp"

#include "support/fake_clock.hpp"

#include <cstdlib>
#include <ctime>
#include <doctest/doctest.h>
#include <limits>

using namespace backstay::core;

namespace
{

std::int64_t seconds_of(std::string_view text)
{
    const std::optional<Timestamp> time = parse_time(text);
    REQUIRE_MESSAGE(time, text);
    return time->seconds;
}

std::string back(std::string_view time, std::string_view duration)
{
    return format_time(before(parse_time(time).value(), parse_duration(duration).value()));
}

} // namespace

TEST_CASE("times are written in UTC with as much of the fraction as there is")
{
    CHECK(format_time({0, 0}) == "1970-01-01T00:00:00Z");
    CHECK(format_time({1'764'079'387, 123'456'789}) == "2025-11-25T14:03:07.123456789Z");
    CHECK(format_time({1'764'079'387, 500'000'000}) == "2025-11-25T14:03:07.5Z");
    CHECK(format_time({-1, 999'999'999}) == "1969-12-31T23:59:59.999999999Z");
    CHECK(format_time({951'782'400, 0}) == "2000-02-29T00:00:00Z");
    CHECK(format_time({-2'208'988'800, 0}) == "1900-01-01T00:00:00Z");
    CHECK(format_time({9'223'372'036, 854'775'808}) == "2262-04-11T23:47:16.854775808Z");
    CHECK(format_time({253'402'300'799, 0}) == "9999-12-31T23:59:59Z");
}

TEST_CASE("a written time is parsed as the time it was")
{
    constexpr std::int64_t all[] = {
        -62'135'596'800, -86'401,        -1, 0, 1, 951'868'799, 1'764'079'387,
        4'102'444'800,   253'402'300'799};
    for (const std::int64_t seconds : all) {
        const Timestamp time{seconds, 120'000'000};
        CAPTURE(seconds);
        CHECK(parse_time(format_time(time)) == time);
    }
}

TEST_CASE("an offset from UTC is taken off")
{
    const std::int64_t noon = seconds_of("2026-11-25T12:00:00Z");
    CHECK(seconds_of("2026-11-25T14:00:00+02:00") == noon);
    CHECK(seconds_of("2026-11-25t06:30:00-0530") == noon);
    CHECK(seconds_of("2026-11-25 12:00Z") == noon);
    CHECK(seconds_of("2026-11-25T12:00:00.999z") == noon);
    CHECK(seconds_of("@1764079387") == 1'764'079'387);
    CHECK(seconds_of("@-5") == -5);
}

TEST_CASE("a time without offset is local")
{
    // NOLINTBEGIN(concurrency-mt-unsafe): the test has one thread.
    REQUIRE(setenv("TZ", "UTC-3", 1) == 0); // POSIX counts west: three hours east of UTC
    tzset();
    CHECK(seconds_of("2026-11-25 12:00") == seconds_of("2026-11-25T09:00:00Z"));
    CHECK(seconds_of("2026-11-25 12:00:07") == seconds_of("2026-11-25T09:00:07Z"));
    CHECK(seconds_of("2026-11-25") == seconds_of("2026-11-24T21:00:00Z"));
    REQUIRE(unsetenv("TZ") == 0);
    tzset();
    // NOLINTEND(concurrency-mt-unsafe)
}

TEST_CASE("what is no time is refused")
{
    for (const char* text : {"",
                             "yesterday",
                             "2026",
                             "2026-11",
                             "2026-13-01",
                             "2026-00-01",
                             "2026-02-29",
                             "2026-02-30",
                             "2026-11-25T",
                             "2026-11-25T24:00:00Z",
                             "2026-11-25T12:60Z",
                             "2026-11-25T12:00:00+",
                             "2026-11-25T12:00:00+2",
                             "2026-11-25T12:00:00Zx",
                             "2026-11-25x12:00",
                             "26-11-25",
                             "@",
                             "@12x",
                             " 2026-11-25",
                             "2026-11-25 "}) {
        CAPTURE(text);
        CHECK_FALSE(parse_time(text));
    }
    CHECK(parse_time("2024-02-29"));
    CHECK(parse_time("2000-02-29"));
    CHECK_FALSE(parse_time("1900-02-29"));
}

TEST_CASE("now is between before and after")
{
    const Timestamp earlier = system_clock().now();
    const std::optional<Timestamp> now = parse_time("now");
    const Timestamp later = system_clock().now();
    REQUIRE(now);
    CHECK(earlier <= *now);
    CHECK(*now <= later);
    CHECK(now->nanoseconds < 1'000'000'000);
}

TEST_CASE("durations add up, with months apart from seconds")
{
    CHECK(parse_duration("90s") == Duration{0, 90});
    CHECK(parse_duration("15m") == Duration{0, 900});
    CHECK(parse_duration("36h") == Duration{0, 129'600});
    CHECK(parse_duration("14d") == Duration{0, 1'209'600});
    CHECK(parse_duration("8w") == Duration{0, 4'838'400});
    CHECK(parse_duration("6mo") == Duration{6, 0});
    CHECK(parse_duration("5y") == Duration{60, 0});
    CHECK(parse_duration("1y6mo2d3m") == Duration{18, 172'980});
    for (const char* text : {"", "d", "5", "5x", "-1d", "1d ", "1.5d", "1dd",
                             "99999999999999999999d", "10000000000s"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_duration(text));
    }
}

TEST_CASE("a written duration is parsed as the duration it was")
{
    for (const Duration duration : {Duration{0, 0}, Duration{0, 59}, Duration{0, 93'784},
                                    Duration{11, 0}, Duration{26, 86'400}}) {
        const std::string text = format_duration(duration);
        CAPTURE(text);
        CHECK(parse_duration(text) == duration);
    }
    CHECK(format_duration({18, 172'980}) == "1y6mo2d3m");
}

TEST_CASE("going back by months keeps to the calendar")
{
    CHECK(back("2026-03-31T10:00:00Z", "1mo") == "2026-02-28T10:00:00Z");
    CHECK(back("2024-03-31T10:00:00Z", "1mo") == "2024-02-29T10:00:00Z");
    CHECK(back("2024-02-29T10:00:00Z", "1y") == "2023-02-28T10:00:00Z");
    CHECK(back("2026-01-15T10:00:00Z", "2mo") == "2025-11-15T10:00:00Z");
    CHECK(back("2026-01-15T10:00:00Z", "13mo") == "2024-12-15T10:00:00Z");
    CHECK(back("2026-01-01T00:00:00Z", "1s") == "2025-12-31T23:59:59Z");
    CHECK(back("1970-01-01T00:00:00Z", "1mo1d") == "1969-11-30T00:00:00Z");
}

TEST_CASE("a month back of a time before 1970 keeps the time of day")
{
    CHECK(back("1960-03-31T23:59:59.5Z", "1mo") == "1960-02-29T23:59:59.5Z");
}

TEST_CASE("a fake clock stands until it is set")
{
    FakeClock clock({100, 5});
    CHECK(clock.now() == Timestamp{100, 5});
    clock.advance(10);
    CHECK(clock.now() == Timestamp{110, 5});
    clock.set({7, 0});
    CHECK(clock.now() == Timestamp{7, 0});
}

TEST_CASE("the first and the last of all times are written, and nothing lies before or after them")
{
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    CHECK(format_time({least, 0}) == "-292277022657-01-27T08:29:52Z");
    CHECK(format_time({most, 0}) == "292277026596-12-04T15:30:07Z");
    CHECK(before({least, 0}, {1, 1}).seconds == least);
    CHECK(before({most, 0}, {-1, -1}).seconds == most);
}

TEST_CASE("a duration of more than a billion years is none")
{
    CHECK(parse_duration("1000000000y") == Duration{12'000'000'000, 0});
    CHECK_FALSE(parse_duration("1000000000y1mo"));
    std::string repeated;
    for (int i = 0; i < 20'000; ++i) {
        repeated += "1000000000w";
    }
    CHECK_FALSE(parse_duration(repeated));
}
