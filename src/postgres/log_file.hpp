#pragma once

#include "base/bytes.hpp"
#include "postgres/log_position.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// What a segment says of itself at its beginning.
struct LogFileHeader {
    std::uint32_t timeline = 0;
    LogPosition position = 0; ///< of its first byte
    std::uint64_t system_id = 0;
    std::uint64_t segment_size = 0;
};
inline constexpr std::size_t log_file_header_size = 40;

/// Empty if the bytes are no beginning of a segment.
std::optional<LogFileHeader> decode_log_file_header(ByteSpan bytes);

/// A file that archivers are given: "000000010000000A000000F3", "….partial", "….00000028.backup",
/// "00000002.history".
bool is_log_file_name(std::string_view name);
/// A whole segment's.
bool is_segment_name(std::string_view name);

/// Throws Error{invalid} unless `header` and `size` are of the whole segment of this name.
void check_segment(std::string_view name, const LogFileHeader& header, std::uint64_t size);

/// The control file of the cluster whose log's folder `path` lies in. "pg_wal/0000…" is what a
/// server names in its commands, from its data directory.
std::string control_file_of_log_file(const std::string& path);

/// In a data directory: no server starts without it.
inline constexpr const char* control_file_name = "global/pg_control";

/// The system's identifier out of a control file's first bytes. Throws Error{source, invalid}.
std::uint64_t read_system_id(const std::string& control_file);

} // namespace backstay::core
