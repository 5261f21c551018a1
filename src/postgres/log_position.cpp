#include "postgres/log_position.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t segment_name_size = 24;
constexpr std::string_view history_suffix = ".history";

template <typename Number>
std::optional<Number> hexadecimal(std::string_view digits)
{
    Number value = 0;
    const char* end = digits.data() + digits.size();
    const auto [at, failed] = std::from_chars(digits.data(), end, value, 16);
    return failed == std::errc() && at == end ? std::optional(value) : std::nullopt;
}

bool is_upper_hexadecimal(std::string_view text)
{
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); });
}

std::uint64_t segments_in_4_gib(std::uint64_t segment_size)
{
    return (std::uint64_t{1} << 32) / segment_size;
}

} // namespace

std::string format_log_position(LogPosition position)
{
    return fmt::format("{:X}/{:X}", position >> 32, position & 0xFFFFFFFF);
}

std::optional<LogPosition> parse_log_position(std::string_view text)
{
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto high = hexadecimal<std::uint32_t>(text.substr(0, slash));
    const auto low = hexadecimal<std::uint32_t>(text.substr(slash + 1));
    if (!high || !low) {
        return std::nullopt;
    }
    return std::uint64_t{*high} << 32 | *low;
}

bool is_log_segment_size(std::uint64_t size)
{
    return size >= MiB && size <= GiB && (size & (size - 1)) == 0;
}

LogSegment segment_at(std::uint32_t timeline, LogPosition position, std::uint64_t segment_size)
{
    return {timeline, position / segment_size};
}

LogPosition segment_begin(const LogSegment& segment, std::uint64_t segment_size)
{
    return segment.number * segment_size;
}

std::string segment_name(const LogSegment& segment, std::uint64_t segment_size)
{
    const std::uint64_t per_log = segments_in_4_gib(segment_size);
    return fmt::format("{:08X}{:08X}{:08X}", segment.timeline, segment.number / per_log,
                       segment.number % per_log);
}

std::optional<LogSegment> parse_segment_name(std::string_view name, std::uint64_t segment_size)
{
    if (name.size() != segment_name_size || !is_upper_hexadecimal(name)) {
        return std::nullopt;
    }
    const std::uint64_t per_log = segments_in_4_gib(segment_size);
    const std::uint32_t timeline = *hexadecimal<std::uint32_t>(name.substr(0, 8));
    const std::uint64_t log = *hexadecimal<std::uint32_t>(name.substr(8, 8));
    const std::uint64_t segment = *hexadecimal<std::uint32_t>(name.substr(16, 8));
    if (timeline == 0 || segment >= per_log) {
        return std::nullopt;
    }
    return LogSegment{timeline, log * per_log + segment};
}

std::string timeline_history_name(std::uint32_t timeline)
{
    return fmt::format("{:08X}{}", timeline, history_suffix);
}

bool is_timeline_history_name(std::string_view name)
{
    return name.size() == 8 + history_suffix.size() && name.ends_with(history_suffix) &&
           is_upper_hexadecimal(name.substr(0, 8));
}

} // namespace backstay::core
