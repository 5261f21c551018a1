#include "base/size_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

/// "K", "KB", "KiB", in any case; 0 for "" and "B". Empty: no unit.
std::optional<int> unit_power(std::string_view unit)
{
    std::string word;
    for (const char c : unit) {
        word += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    if (word.empty() || word == "B") {
        return 0;
    }
    constexpr std::string_view letters = "KMGTPE";
    const std::size_t power = letters.find(word.front());
    const std::string_view rest = std::string_view(word).substr(1);
    const bool known =
        power != std::string_view::npos && (rest.empty() || rest == "B" || rest == "IB");
    return known ? std::optional<int>(static_cast<int>(power) + 1) : std::nullopt;
}

} // namespace

std::optional<std::uint64_t> parse_size(std::string_view text)
{
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::optional<int> power =
        unit_power(text.substr(std::min(text.find_first_not_of(' ', digits), text.size())));
    if (digits == 0 || !power) {
        return std::nullopt;
    }
    const char* end = text.data() + digits;
    std::uint64_t whole = 0;
    if (const auto [stop, error] = std::from_chars(text.data(), end, whole);
        stop == end && error == std::errc()) {
        const int shift = 10 * *power;
        return whole <= UINT64_MAX >> shift ? std::optional(whole << shift) : std::nullopt;
    }
    double fraction = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, fraction);
    const double bytes = std::ldexp(fraction, 10 * *power);
    const bool good = stop == end && error == std::errc() && bytes < 0x1p63;
    return good ? std::optional(static_cast<std::uint64_t>(bytes)) : std::nullopt;
}

std::string format_size(std::uint64_t bytes)
{
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        return fmt::format("{} B", bytes);
    }
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    // 999.5 would print as four digits.
    while (value >= 999.5 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}", value, decimals, units[unit]);
}

} // namespace backstay::core
