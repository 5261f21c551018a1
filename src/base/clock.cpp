#include "base/clock.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <fmt/core.h>
#include <limits>

namespace backstay::core
{

namespace
{

constexpr std::int64_t seconds_a_day = 86400;

struct Date {
    std::int64_t year;
    unsigned month;
    unsigned day;
};

// Days since 1970 and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
std::int64_t days_from(Date date)
{
    const std::int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t year_of_era = year - era * 400;
    const std::int64_t day_of_year =
        (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
    const std::int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

Date date_from(std::int64_t days)
{
    days += 719468;
    const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const std::int64_t day_of_era = days - era * 146097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const std::int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t shifted = (5 * day_of_year + 2) / 153;
    const auto day = static_cast<unsigned>(day_of_year - (153 * shifted + 2) / 5 + 1);
    const auto month = static_cast<unsigned>(shifted < 10 ? shifted + 3 : shifted - 9);
    return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

unsigned days_in_month(std::int64_t year, unsigned month)
{
    constexpr std::array<unsigned, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

std::int64_t floor_div(std::int64_t a, std::int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

/// Reads fixed-width numbers and separators from the front of a text.
class Scanner
{
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    std::optional<int> number(std::size_t digits)
    {
        if (rest_.size() < digits) {
            return std::nullopt;
        }
        int value = 0;
        for (const char c : rest_.substr(0, digits)) {
            if (c < '0' || c > '9') {
                return std::nullopt;
            }
            value = value * 10 + (c - '0');
        }
        rest_.remove_prefix(digits);
        return value;
    }

    bool accept(char c)
    {
        if (rest_.empty() || rest_.front() != c) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    /// ".123456789" and shorter; more digits are cut.
    std::uint32_t fraction()
    {
        std::uint32_t value = 0;
        std::uint32_t unit = 100'000'000;
        while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
            value += static_cast<std::uint32_t>(rest_.front() - '0') * unit;
            unit /= 10;
            rest_.remove_prefix(1);
        }
        return value;
    }

    bool at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

struct CivilTime {
    Date date{};
    int hour = 0;
    int minute = 0;
    int second = 0;
    std::uint32_t nanoseconds = 0;
};

std::optional<Date> scan_date(Scanner& scanner)
{
    const auto year = scanner.number(4);
    if (!year || !scanner.accept('-')) {
        return std::nullopt;
    }
    const auto month = scanner.number(2);
    if (!month || *month < 1 || *month > 12 || !scanner.accept('-')) {
        return std::nullopt;
    }
    const auto day = scanner.number(2);
    if (!day || *day < 1 ||
        static_cast<unsigned>(*day) > days_in_month(*year, static_cast<unsigned>(*month))) {
        return std::nullopt;
    }
    return Date{*year, static_cast<unsigned>(*month), static_cast<unsigned>(*day)};
}

bool scan_clock(Scanner& scanner, CivilTime& time)
{
    const auto hour = scanner.number(2);
    if (!hour || *hour > 23 || !scanner.accept(':')) {
        return false;
    }
    const auto minute = scanner.number(2);
    if (!minute || *minute > 59) {
        return false;
    }
    time.hour = *hour;
    time.minute = *minute;
    if (scanner.accept(':')) {
        const auto second = scanner.number(2);
        if (!second || *second > 60) {
            return false;
        }
        time.second = *second;
        if (scanner.accept('.')) {
            time.nanoseconds = scanner.fraction();
        }
    }
    return true;
}

/// Seconds east of Greenwich; empty: no zone was given.
bool scan_zone(Scanner& scanner, std::optional<std::int64_t>& offset)
{
    if (scanner.at_end()) {
        return true;
    }
    if (scanner.accept('Z') || scanner.accept('z')) {
        offset = 0;
        return scanner.at_end();
    }
    const bool east = scanner.accept('+');
    if (!east && !scanner.accept('-')) {
        return false;
    }
    const auto hours = scanner.number(2);
    scanner.accept(':');
    const auto minutes = scanner.number(2);
    if (!hours || !minutes || *hours > 23 || *minutes > 59) {
        return false;
    }
    offset = (east ? 1 : -1) * (*hours * std::int64_t{3600} + *minutes * std::int64_t{60});
    return scanner.at_end();
}

Timestamp to_timestamp(const CivilTime& time, std::optional<std::int64_t> offset)
{
    if (!offset) {
        std::tm local{};
        local.tm_year = static_cast<int>(time.date.year) - 1900;
        local.tm_mon = static_cast<int>(time.date.month) - 1;
        local.tm_mday = static_cast<int>(time.date.day);
        local.tm_hour = time.hour;
        local.tm_min = time.minute;
        local.tm_sec = time.second;
        local.tm_isdst = -1;
        return {static_cast<std::int64_t>(std::mktime(&local)), time.nanoseconds};
    }
    const std::int64_t seconds = days_from(time.date) * seconds_a_day +
                                 time.hour * std::int64_t{3600} + time.minute * std::int64_t{60} +
                                 time.second;
    return {seconds - *offset, time.nanoseconds};
}

} // namespace

std::string format_time(Timestamp time)
{
    const std::int64_t days = floor_div(time.seconds, seconds_a_day);
    // Not by multiplying back, which overflows for the least of all times.
    const std::int64_t rest = (time.seconds % seconds_a_day + seconds_a_day) % seconds_a_day;
    const Date date = date_from(days);
    std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.month,
                                   date.day, rest / 3600, rest / 60 % 60, rest % 60);
    if (time.nanoseconds != 0) {
        std::string fraction = fmt::format(".{:09}", time.nanoseconds);
        fraction.erase(fraction.find_last_not_of('0') + 1);
        text += fraction;
    }
    return text + "Z";
}

std::optional<Timestamp> parse_time(std::string_view text)
{
    if (text == "now") {
        return system_clock().now();
    }
    if (text.starts_with('@')) {
        std::int64_t seconds = 0;
        const auto [end, error] =
            std::from_chars(text.data() + 1, text.data() + text.size(), seconds);
        const bool good =
            error == std::errc() && end == text.data() + text.size() && text.size() > 1;
        return good ? std::optional(Timestamp{seconds, 0}) : std::nullopt;
    }
    Scanner scanner(text);
    CivilTime time;
    const std::optional<Date> date = scan_date(scanner);
    if (!date) {
        return std::nullopt;
    }
    time.date = *date;
    std::optional<std::int64_t> offset;
    if (!scanner.at_end()) {
        const bool separated = scanner.accept('T') || scanner.accept('t') || scanner.accept(' ');
        if (!separated || !scan_clock(scanner, time) || !scan_zone(scanner, offset)) {
            return std::nullopt;
        }
    }
    return to_timestamp(time, offset);
}

namespace
{

struct DurationUnit {
    std::string_view name;
    std::int64_t months;
    std::int64_t seconds;
};

// Longest first where one begins another: "mo" before "m".
constexpr std::array<DurationUnit, 7> duration_units{{{"mo", 1, 0},
                                                      {"y", 12, 0},
                                                      {"w", 0, 7 * seconds_a_day},
                                                      {"d", 0, seconds_a_day},
                                                      {"h", 0, 3600},
                                                      {"m", 0, 60},
                                                      {"s", 0, 1}}};

constexpr std::int64_t longest_count = 1'000'000'000;

} // namespace

std::optional<Duration> parse_duration(std::string_view text)
{
    if (text.empty()) {
        return std::nullopt;
    }
    Duration total;
    while (!text.empty()) {
        std::int64_t count = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
        if (error != std::errc() || count < 0 || count > longest_count) {
            return std::nullopt;
        }
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        const auto unit = std::find_if(
            duration_units.begin(), duration_units.end(),
            [text](const DurationUnit& known) { return text.starts_with(known.name); });
        if (unit == duration_units.end()) {
            return std::nullopt;
        }
        text.remove_prefix(unit->name.size());
        total.months += count * unit->months;
        total.seconds += count * unit->seconds;
        if (total.months > longest_count * 12 ||
            total.seconds > longest_count * 7 * seconds_a_day) {
            return std::nullopt;
        }
    }
    return total;
}

std::string format_duration(Duration duration)
{
    std::string text;
    const auto take = [&text](std::int64_t& rest, std::int64_t unit, const char* name) {
        if (rest >= unit) {
            text += fmt::format("{}{}", rest / unit, name);
            rest %= unit;
        }
    };
    take(duration.months, 12, "y");
    take(duration.months, 1, "mo");
    take(duration.seconds, seconds_a_day, "d");
    take(duration.seconds, 3600, "h");
    take(duration.seconds, 60, "m");
    take(duration.seconds, 1, "s");
    return text.empty() ? "0s" : text;
}

namespace
{

/// The sum, or the end of the numbers that lies where it should be.
std::int64_t add_within_bounds(std::int64_t a, std::int64_t b)
{
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        return b < 0 ? std::numeric_limits<std::int64_t>::min()
                     : std::numeric_limits<std::int64_t>::max();
    }
    return sum;
}

} // namespace

Timestamp before(Timestamp time, Duration duration)
{
    if (duration.months != 0) {
        const std::int64_t days = floor_div(time.seconds, seconds_a_day);
        Date date = date_from(days);
        const std::int64_t months =
            date.year * 12 + static_cast<std::int64_t>(date.month) - 1 - duration.months;
        date.year = floor_div(months, 12);
        date.month = static_cast<unsigned>(months - date.year * 12) + 1;
        date.day = std::min(date.day, days_in_month(date.year, date.month));
        time.seconds = add_within_bounds(time.seconds, (days_from(date) - days) * seconds_a_day);
    }
    time.seconds = add_within_bounds(time.seconds, -duration.seconds);
    return time;
}

namespace
{

class SystemClock : public Clock
{
public:
    Timestamp now() const override
    {
        timespec time{};
        ::clock_gettime(CLOCK_REALTIME, &time);
        return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
    }
};

} // namespace

const Clock& system_clock()
{
    static const SystemClock clock;
    return clock;
}

double monotonic_seconds()
{
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

} // namespace backstay::core
