#include "base/bytes.hpp"

namespace backstay::core
{

namespace
{

constexpr char hex_digits[] = "0123456789abcdef";

int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

} // namespace

std::string to_hex(ByteSpan bytes)
{
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::uint8_t byte : bytes) {
        text += hex_digits[byte >> 4];
        text += hex_digits[byte & 15];
    }
    return text;
}

std::optional<Bytes> from_hex(std::string_view text)
{
    if (text.size() % 2 != 0) {
        return std::nullopt;
    }
    Bytes bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = hex_value(text[i]);
        const int low = hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
    }
    return bytes;
}

namespace
{

constexpr std::string_view base64_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

} // namespace

std::string to_base64(ByteSpan bytes)
{
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t there = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t bits = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            bits = bits << 8 | (j < there ? bytes[i + j] : 0U);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            text += j <= there ? base64_letters[bits >> (18 - 6 * j) & 63] : '=';
        }
    }
    return text;
}

std::optional<Bytes> from_base64(std::string_view text)
{
    Bytes bytes;
    for (std::size_t i = 0; i + 4 <= text.size(); i += 4) {
        std::string_view group = text.substr(i, 4);
        while (i + 4 == text.size() && group.size() > 2 && group.ends_with('=')) {
            group.remove_suffix(1);
        }
        std::uint32_t bits = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            const std::size_t value = j < group.size() ? base64_letters.find(group[j]) : 0;
            if (value == std::string_view::npos) {
                return std::nullopt;
            }
            bits = bits << 6 | static_cast<std::uint32_t>(value);
        }
        for (std::size_t j = 0; j + 1 < group.size(); ++j) {
            bytes.push_back(static_cast<std::uint8_t>(bits >> (16 - 8 * j)));
        }
    }
    // Bits beyond the last byte, a wrong length or padding give another text.
    return to_base64(bytes) == text ? std::optional(bytes) : std::nullopt;
}

namespace
{

/// How many bytes follow a first byte, and the least code point so long a form may have; -1: no
/// first byte.
struct Utf8Form {
    int following;
    std::uint32_t least;
    std::uint32_t bits;
};

Utf8Form utf8_form(std::uint8_t first)
{
    if (first < 0x80) {
        return {0, 0, first};
    }
    if ((first & 0xe0) == 0xc0) {
        return {1, 0x80, first & 0x1fU};
    }
    if ((first & 0xf0) == 0xe0) {
        return {2, 0x800, first & 0x0fU};
    }
    if ((first & 0xf8) == 0xf0) {
        return {3, 0x10000, first & 0x07U};
    }
    return {-1, 0, 0};
}

} // namespace

bool is_utf8(std::string_view text)
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        const Utf8Form form = utf8_form(static_cast<std::uint8_t>(text[i]));
        if (form.following < 0 || i + static_cast<std::size_t>(form.following) >= text.size() ||
            text[i] == '\0') {
            return false;
        }
        std::uint32_t point = form.bits;
        for (int left = form.following; left > 0; --left) {
            const auto byte = static_cast<std::uint8_t>(text[++i]);
            if ((byte & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (byte & 0x3fU);
        }
        const bool surrogate = point >= 0xd800 && point <= 0xdfff;
        if (point < form.least || point > 0x10ffff || surrogate) {
            return false;
        }
    }
    return true;
}

} // namespace backstay::core
