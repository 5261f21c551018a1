#include "postgres/manifest_writer.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <array>
#include <cerrno>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace backstay::core
{

namespace
{

/// JSON knows no bytes that are not UTF-8: such a path stands as hexadecimal digits.
std::string path_field(const std::string& path)
{
    try {
        return fmt::format("\"Path\": {}", nlohmann::json(path).dump());
    } catch (const nlohmann::json::type_error&) {
        return fmt::format("\"Encoded-Path\": \"{}\"", to_hex(as_bytes(path)));
    }
}

/// As it lies in memory, least byte first.
std::string checksum_text(std::uint32_t sum)
{
    const std::array<std::uint8_t, 4> bytes = {
        static_cast<std::uint8_t>(sum), static_cast<std::uint8_t>(sum >> 8),
        static_cast<std::uint8_t>(sum >> 16), static_cast<std::uint8_t>(sum >> 24)};
    return to_hex(bytes);
}

} // namespace

ManifestWriter::ManifestWriter(std::FILE* file, std::uint64_t system_id) : file_(file)
{
    write(fmt::format("{{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": "
                      "{},\n\"Files\": [",
                      system_id));
}

void ManifestWriter::add(const ManifestFile& file)
{
    std::string line = is_first_ ? "\n{ " : ",\n{ ";
    is_first_ = false;
    line += fmt::format("{}, \"Size\": {}, \"Last-Modified\": {}", path_field(file.path), file.size,
                        nlohmann::json(file.modified).dump());
    if (file.crc32c) {
        line += fmt::format(", \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"{}\"",
                            checksum_text(*file.crc32c));
    }
    write(line + " }");
}

void ManifestWriter::finish(const std::vector<Manifest::Range>& log)
{
    write("\n],\n\"WAL-Ranges\": [");
    const char* between = "\n";
    for (const Manifest::Range& range : log) {
        write(fmt::format("{}{{ \"Timeline\": {}, \"Start-LSN\": \"{}\", \"End-LSN\": \"{}\" }}",
                          between, range.timeline, format_log_position(range.begin),
                          format_log_position(range.end)));
        between = ",\n";
    }
    write("\n],\n");
    put(fmt::format("\"Manifest-Checksum\": \"{}\"}}\n", to_hex(hash_.finish())));
    if (std::fflush(file_) != 0) {
        throw_system_error(errno, "cannot write a temporary file", temporary_folder());
    }
}

void ManifestWriter::write(const std::string& text)
{
    hash_.update(as_bytes(text));
    put(text);
}

void ManifestWriter::put(const std::string& text)
{
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) {
        throw_system_error(errno, "cannot write a temporary file", temporary_folder());
    }
}

} // namespace backstay::core
