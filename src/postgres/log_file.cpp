#include "postgres/log_file.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/core.h>
#include <system_error>

namespace backstay::core
{

namespace
{

// PostgreSQL's access/xlog_internal.h: where XLogLongPageHeaderData puts its fields.
constexpr std::size_t info_at = 2;
constexpr std::size_t timeline_at = 4;
constexpr std::size_t position_at = 8;
constexpr std::size_t system_at = 24;
constexpr std::size_t size_at = 32;
constexpr std::uint16_t is_long = 0x0002;

constexpr std::size_t segment_name_size = 24;

template <typename Number>
Number number_at(ByteSpan bytes, std::size_t at)
{
    Number number = 0;
    std::memcpy(&number, bytes.data() + at, sizeof number);
    return number;
}

bool is_upper_hexadecimal(std::string_view text)
{
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); });
}

std::string folder_of(const std::string& path)
{
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

} // namespace

std::optional<LogFileHeader> decode_log_file_header(ByteSpan bytes)
{
    if (bytes.size() < log_file_header_size ||
        (number_at<std::uint16_t>(bytes, info_at) & is_long) == 0) {
        return std::nullopt;
    }
    LogFileHeader header;
    header.timeline = number_at<std::uint32_t>(bytes, timeline_at);
    header.position = number_at<std::uint64_t>(bytes, position_at);
    header.system_id = number_at<std::uint64_t>(bytes, system_at);
    header.segment_size = number_at<std::uint32_t>(bytes, size_at);
    const bool possible =
        is_log_segment_size(header.segment_size) && header.position % header.segment_size == 0;
    return possible ? std::optional(header) : std::nullopt;
}

bool is_segment_name(std::string_view name)
{
    return name.size() == segment_name_size && is_upper_hexadecimal(name);
}

bool is_log_file_name(std::string_view name)
{
    if (is_timeline_history_name(name)) {
        return true;
    }
    if (!is_segment_name(name.substr(0, segment_name_size))) {
        return false;
    }
    const std::string_view rest = name.substr(segment_name_size);
    const bool is_backup_label = rest.size() == 16 && rest.front() == '.' &&
                                 rest.ends_with(".backup") &&
                                 is_upper_hexadecimal(rest.substr(1, 8));
    return rest.empty() || rest == ".partial" || is_backup_label;
}

void check_segment(std::string_view name, const LogFileHeader& header, std::uint64_t size)
{
    const auto segment = parse_segment_name(name, header.segment_size);
    if (!segment || size != header.segment_size ||
        segment_begin(*segment, header.segment_size) != header.position ||
        header.timeline > segment->timeline) {
        throw Error(
            ErrorCode::invalid,
            "this is not the whole segment of that name: its size, place or timeline do not "
            "fit",
            std::string(name));
    }
}

std::string control_file_of_log_file(const std::string& path)
{
    const std::string folder = folder_of(path);
    return (folder == "." ? ".." : folder_of(folder)) + "/" + control_file_name;
}

std::uint64_t read_system_id(const std::string& control_file)
{
    const FileDescriptor file(::open(control_file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) {
        // Not "not found": that would be taken for the absence of a file of the log.
        throw Error(ErrorCode::source,
                    fmt::format("cannot open the control file, which tells the system's "
                                "identifier: {}",
                                std::generic_category().message(errno)),
                    control_file);
    }
    std::array<std::uint8_t, 8> bytes{};
    const std::size_t got = read_at(file.get(), 0, bytes, control_file);
    const auto id = number_at<std::uint64_t>(bytes, 0);
    if (got != bytes.size() || id == 0) {
        throw Error(ErrorCode::invalid, "this is no control file of PostgreSQL", control_file);
    }
    return id;
}

} // namespace backstay::core
