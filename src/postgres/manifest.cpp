#include "postgres/manifest.hpp"

#include "base/error.hpp"
#include "codec/hash.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

namespace backstay::core
{

namespace
{

constexpr std::size_t longest_text = 64 * KiB;
constexpr std::size_t most_ranges = 1000;
constexpr std::size_t last_line_at_most = 256;

[[noreturn]] void refuse(const std::string& what)
{
    throw Error(ErrorCode::damaged, "the backup manifest is damaged: " + what);
}

std::optional<std::uint64_t> decimal(const std::string& text)
{
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failed == std::errc() && end == text.data() + text.size() && !text.empty()
               ? std::optional(value)
               : std::nullopt;
}

/// The server writes the bytes as they lie in memory, least first.
std::uint32_t crc_of(const std::string& text)
{
    const auto bytes = from_hex(text);
    if (!bytes || bytes->size() != 4) {
        refuse("a checksum is none");
    }
    return static_cast<std::uint32_t>((*bytes)[0]) | static_cast<std::uint32_t>((*bytes)[1]) << 8 |
           static_cast<std::uint32_t>((*bytes)[2]) << 16 |
           static_cast<std::uint32_t>((*bytes)[3]) << 24;
}

/// Takes the events of the JSON parser: { key: value, "Files": [ {…} ], "WAL-Ranges": [ {…} ] }.
class ManifestEvents
{
public:
    ManifestEvents(Manifest& manifest, const std::function<void(const ManifestFile&)>& take)
        : manifest_(manifest), take_(take)
    {
    }

    const std::string& checksum() const { return checksum_; }

    bool null() { refuse("a value is missing"); }
    bool boolean(bool) { refuse("a value is of another kind than it should be"); }
    bool number_float(double, const std::string&) { return boolean(false); }
    bool binary(nlohmann::json::binary_t&) { return boolean(false); }
    bool number_integer(std::int64_t value)
    {
        return value < 0 ? boolean(false) : number_unsigned(static_cast<std::uint64_t>(value));
    }
    bool number_unsigned(std::uint64_t value)
    {
        number(value);
        return true;
    }
    bool string(std::string& value)
    {
        if (value.size() > longest_text) {
            refuse("a text is too long");
        }
        text(value);
        return true;
    }
    bool key(std::string& name)
    {
        key_ = name;
        if (depth_ == 1) {
            list_ = name;
        }
        return true;
    }
    bool start_object(std::size_t)
    {
        if (++depth_ > 3) {
            refuse("it is nested too deep");
        }
        file_ = {};
        crc_text_.clear();
        algorithm_.clear();
        range_ = {};
        return true;
    }
    bool end_object()
    {
        if (depth_-- == 3) {
            end_of_item();
        }
        return true;
    }
    bool start_array(std::size_t)
    {
        if (++depth_ != 2) {
            refuse("it is nested too deep");
        }
        return true;
    }
    bool end_array()
    {
        --depth_;
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&)
    {
        refuse("it is no JSON");
    }

private:
    void number(std::uint64_t value)
    {
        if (depth_ == 1 && key_ == "PostgreSQL-Backup-Manifest-Version") {
            manifest_.version = static_cast<int>(std::min<std::uint64_t>(value, 1000));
        } else if (depth_ == 1 && key_ == "System-Identifier") {
            manifest_.system_id = value;
        } else if (depth_ == 3 && key_ == "Size") {
            file_.size = value;
        } else if (depth_ == 3 && key_ == "Timeline" && value <= UINT32_MAX) {
            range_.timeline = static_cast<std::uint32_t>(value);
        }
    }

    void text(const std::string& value)
    {
        if (depth_ == 1 && key_ == "Manifest-Checksum") {
            checksum_ = value;
        } else if (depth_ == 1 && key_ == "System-Identifier") {
            manifest_.system_id = decimal(value);
        } else if (depth_ == 3) {
            text_of_item(value);
        }
    }

    void text_of_item(const std::string& value)
    {
        if (key_ == "Path") {
            file_.path = value;
        } else if (key_ == "Encoded-Path") {
            const auto bytes = from_hex(value);
            if (!bytes) {
                refuse("a path is none");
            }
            file_.path.assign(bytes->begin(), bytes->end());
        } else if (key_ == "Last-Modified") {
            file_.modified = value;
        } else if (key_ == "Checksum-Algorithm") {
            algorithm_ = value;
        } else if (key_ == "Checksum") {
            crc_text_ = value;
        } else if (key_ == "Start-LSN" || key_ == "End-LSN") {
            const auto position = parse_log_position(value);
            if (!position) {
                refuse("a place in the log is none");
            }
            (key_ == "Start-LSN" ? range_.begin : range_.end) = *position;
        }
    }

    void end_of_item()
    {
        if (list_ == "Files") {
            if (file_.path.empty()) {
                refuse("a file has no path");
            }
            if (algorithm_ == "CRC32C") {
                file_.crc32c = crc_of(crc_text_);
            }
            take_(file_);
        } else if (list_ == "WAL-Ranges") {
            if (manifest_.log.size() >= most_ranges) {
                refuse("it has too many ranges of the log");
            }
            manifest_.log.push_back(range_);
        }
    }

    Manifest& manifest_;
    const std::function<void(const ManifestFile&)>& take_;
    int depth_ = 0;
    std::string list_;
    std::string key_;
    std::string checksum_;
    ManifestFile file_;
    std::string algorithm_;
    std::string crc_text_;
    Manifest::Range range_;
};

/// Where the last line begins: it holds the checksum of all before it.
std::uint64_t begin_of_last_line(std::FILE* file)
{
    if (std::fseek(file, 0, SEEK_END) != 0) {
        refuse("it cannot be read");
    }
    const long size = std::ftell(file);
    const long tail = std::min<long>(size, last_line_at_most);
    std::array<char, last_line_at_most> buffer{};
    if (size <= 0 || std::fseek(file, size - tail, SEEK_SET) != 0 ||
        std::fread(buffer.data(), 1, static_cast<std::size_t>(tail), file) !=
            static_cast<std::size_t>(tail)) {
        refuse("it cannot be read");
    }
    std::string_view text(buffer.data(), static_cast<std::size_t>(tail));
    if (!text.ends_with('\n')) {
        refuse("its end is missing");
    }
    const std::size_t newline = text.substr(0, text.size() - 1).rfind('\n');
    if (newline == std::string_view::npos) {
        refuse("its end is missing");
    }
    return static_cast<std::uint64_t>(size - tail) + newline + 1;
}

std::string hash_of_first(std::FILE* file, std::uint64_t size)
{
    std::rewind(file);
    Sha256 hash;
    Bytes buffer(64 * KiB);
    while (size > 0) {
        const std::size_t wanted = std::min<std::uint64_t>(size, buffer.size());
        const std::size_t got = std::fread(buffer.data(), 1, wanted, file);
        if (got != wanted) {
            refuse("it cannot be read");
        }
        hash.update(ByteSpan(buffer).first(got));
        size -= got;
    }
    return to_hex(hash.finish());
}

} // namespace

Manifest read_manifest(std::FILE* file, const std::function<void(const ManifestFile&)>& take)
{
    const std::string hash = hash_of_first(file, begin_of_last_line(file));
    std::rewind(file);
    Manifest manifest;
    ManifestEvents events(manifest, take);
    nlohmann::json::sax_parse(file, &events);
    if (manifest.version < 1 || manifest.version > 2) {
        refuse("its version is not known");
    }
    if (events.checksum() != hash) {
        refuse("it does not fit its checksum");
    }
    return manifest;
}

} // namespace backstay::core
