#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// Seconds and nanoseconds since 1970, UTC; any year. 0 <= nanoseconds < 10^9, before 1970 too.
struct Timestamp {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    auto operator<=>(const Timestamp&) const = default;
};

/// RFC 3339 in UTC, "2026-11-25T14:03:07.123456789Z"; the fraction only if it is not zero.
std::string format_time(Timestamp time);

/// RFC 3339 with any offset; "2026-11-25", "2026-11-25 14:03", "2026-11-25 14:03:07" are local
/// time; "now"; "@SECONDS". Empty if it is none of them.
std::optional<Timestamp> parse_time(std::string_view text);

/// "90s 15m 36h 14d 8w 6mo 5y", also several in a row ("1y6mo"). A month is counted in the calendar
/// by `before()`; everything else is seconds.
struct Duration {
    std::int64_t months = 0;
    std::int64_t seconds = 0;
    auto operator<=>(const Duration&) const = default;
};
std::optional<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration duration);
/// `time` moved back by `duration`, calendar months in UTC (the day is cut to the month's last).
Timestamp before(Timestamp time, Duration duration);

/// The time as the program sees it. Thread-safe. Tests use a clock of their own.
class Clock
{
public:
    virtual ~Clock() = default;
    virtual Timestamp now() const = 0;
};

/// CLOCK_REALTIME.
const Clock& system_clock();

/// Seconds on CLOCK_MONOTONIC, for measuring.
double monotonic_seconds();

} // namespace backstay::core
