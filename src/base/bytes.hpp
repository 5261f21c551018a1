#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;
using MutableByteSpan = std::span<std::uint8_t>;

inline constexpr std::uint64_t KiB = 1024;
inline constexpr std::uint64_t MiB = 1024 * KiB;
inline constexpr std::uint64_t GiB = 1024 * MiB;

inline ByteSpan as_bytes(std::string_view text)
{
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string_view as_text(ByteSpan bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void append(Bytes& to, ByteSpan bytes)
{
    to.insert(to.end(), bytes.begin(), bytes.end());
}

inline bool equal(ByteSpan a, ByteSpan b)
{
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

inline bool is_zero(ByteSpan bytes)
{
    return bytes.empty() ||
           (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

/// Lower-case hexadecimal.
std::string to_hex(ByteSpan bytes);

/// Empty if `text` is not an even number of lower-case hexadecimal digits.
std::optional<Bytes> from_hex(std::string_view text);

/// RFC 4648 with padding.
std::string to_base64(ByteSpan bytes);

/// Empty if `text` is not just what to_base64() writes.
std::optional<Bytes> from_base64(std::string_view text);

/// True if `text` is well-formed UTF-8 (no surrogates, no overlong forms) without NUL.
bool is_utf8(std::string_view text);

/// A 256-bit name. `Tag` keeps the names of different things apart. Immutable value.
template <typename Tag>
struct Id {
    std::array<std::uint8_t, 32> bytes{};

    static Id from(ByteSpan span)
    {
        Id id;
        std::memcpy(id.bytes.data(), span.data(), id.bytes.size());
        return id;
    }

    /// Empty unless `text` is exactly 64 lower-case hexadecimal digits.
    static std::optional<Id> parse(std::string_view text)
    {
        const auto raw = text.size() == 64 ? from_hex(text) : std::nullopt;
        return raw ? std::optional<Id>{from(*raw)} : std::nullopt;
    }

    std::string hex() const { return to_hex(bytes); }
    ByteSpan span() const { return bytes; }
    auto operator<=>(const Id&) const = default;
};

/// Names are uniform already, so any eight of their bytes are a hash.
struct IdHash {
    template <typename Tag>
    std::size_t operator()(const Id<Tag>& id) const
    {
        std::size_t hash = 0;
        std::memcpy(&hash, id.bytes.data(), sizeof hash);
        return hash;
    }
};

using BlobId = Id<struct BlobTag>;             ///< keyed BLAKE3 of the plain bytes, a key a kind
using PackId = Id<struct PackTag>;             ///< SHA-256 of the object's bytes
using SegmentId = Id<struct SegmentTag>;       ///< SHA-256 of the object's bytes
using SessionId = Id<struct SessionTag>;       ///< random; also the snapshot's id
using SlotId = Id<struct SlotTag>;             ///< random
using RepositoryId = Id<struct RepositoryTag>; ///< random

} // namespace backstay::core
