#include "text.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/format.h>
#include <utility>

namespace command
{

std::string size_text(std::uint64_t bytes)
{
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 999.5 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return fmt::format("{:.{}f} {}", value, decimals, units[unit]);
}

std::string duration_text(double seconds)
{
    if (seconds < 60) {
        return fmt::format("{:.1f}s", seconds);
    }
    const auto whole = static_cast<std::int64_t>(seconds);
    return whole < 3600 ? fmt::format("{}m{:02}s", whole / 60, whole % 60)
                        : fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

std::string time_text(const backstay::Record& record, const char* name)
{
    const std::time_t seconds = record.number(name);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    std::array<char, 32> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local);
    return {text.data(), length};
}

namespace
{

/// Length of the well-formed UTF-8 sequence at `i`, 0 if there is none.
std::size_t sequence_length(const std::string& bytes, std::size_t i)
{
    const auto byte = [&bytes](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    const unsigned char first = byte(i);
    const std::size_t length = first < 0x80                    ? 1
                               : first >= 0xc2 && first < 0xe0 ? 2
                               : first >= 0xe0 && first < 0xf0 ? 3
                               : first >= 0xf0 && first < 0xf5 ? 4
                                                               : 0;
    if (length == 0 || i + length > bytes.size()) {
        return 0;
    }
    for (std::size_t at = i + 1; at < i + length; ++at) {
        if ((byte(at) & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

} // namespace

std::string printable(const std::string& bytes)
{
    std::string out;
    for (std::size_t i = 0; i < bytes.size();) {
        const std::size_t length = sequence_length(bytes, i);
        const auto first = static_cast<unsigned char>(bytes[i]);
        const bool c1_control =
            length == 2 && first == 0xc2 && static_cast<unsigned char>(bytes[i + 1]) < 0xa0;
        if (length == 0 || first < 0x20 || first == 0x7f || c1_control) {
            out += fmt::format("\\x{:02x}", first);
            ++i;
        } else {
            out.append(bytes, i, length);
            i += length;
        }
    }
    return out;
}

std::string path_text(const std::string& path)
{
    if (path == "files") {
        return "/";
    }
    return printable(path.starts_with("files/") ? path.substr(path.find('/')) : path);
}

std::string joined(const std::vector<std::string>& parts, const char* separator)
{
    return fmt::format("{}", fmt::join(parts, separator));
}

std::string short_id(const std::string& id)
{
    return id.substr(0, 12);
}

namespace
{

/// Characters, not bytes: continuation bytes take no column.
std::size_t columns(const std::string& text)
{
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

} // namespace

std::vector<std::string> Table::lines() const
{
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], columns(row[i]));
        }
    }
    std::vector<std::string> lines;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row[i];
            if (i + 1 < row.size()) {
                line.append(widths[i] - columns(row[i]) + 2, ' ');
            }
        }
        lines.push_back(std::move(line));
    }
    return lines;
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates)
{
    std::string best;
    std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const std::string& candidate : candidates) {
        // Levenshtein's distance, one row at a time.
        std::vector<std::size_t> row(candidate.size() + 1);
        for (std::size_t j = 0; j < row.size(); ++j) {
            row[j] = j;
        }
        for (std::size_t i = 1; i <= word.size(); ++i) {
            std::size_t diagonal = std::exchange(row[0], i);
            for (std::size_t j = 1; j <= candidate.size(); ++j) {
                const std::size_t replaced = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
            }
        }
        if (row.back() < least) {
            least = row.back();
            best = candidate;
        }
    }
    return best;
}

} // namespace command
