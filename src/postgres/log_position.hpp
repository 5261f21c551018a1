#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// A place in the write-ahead log: what PostgreSQL calls an LSN.
using LogPosition = std::uint64_t;

/// "16/B374D848".
std::string format_log_position(LogPosition position);
/// Empty if it is not two hexadecimal numbers of at most eight digits with '/' between them.
std::optional<LogPosition> parse_log_position(std::string_view text);

/// A power of two from 1 MiB to 1 GiB.
bool is_log_segment_size(std::uint64_t size);

/// A WAL segment: a file of the log.
struct LogSegment {
    std::uint32_t timeline = 0;
    std::uint64_t number = 0;
    bool operator==(const LogSegment&) const = default;
};

/// The segment that the byte at `position` lies in.
LogSegment segment_at(std::uint32_t timeline, LogPosition position, std::uint64_t segment_size);
LogPosition segment_begin(const LogSegment& segment, std::uint64_t segment_size);
/// "000000010000000A000000F3".
std::string segment_name(const LogSegment& segment, std::uint64_t segment_size);
/// Empty if it is not 24 upper-case hexadecimal digits of a possible segment.
std::optional<LogSegment> parse_segment_name(std::string_view name, std::uint64_t segment_size);

/// "00000002.history".
std::string timeline_history_name(std::uint32_t timeline);
bool is_timeline_history_name(std::string_view name);

} // namespace backstay::core
