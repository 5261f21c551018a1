#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace backstay::core {

/// Appends the format's primitives to a buffer: fixed integers little-endian, `varint` as LEB128, `text` and `blob` as
/// varint length and bytes, ids as 32 bytes. docs/format.md, "Primitives".
class Encoder {
public:
    explicit Encoder(Bytes& out) : out_(out) {}
    void u8(std::uint8_t value) { out_.push_back(value); }
    void u32(std::uint32_t value);
    void u64(std::uint64_t value);
    void varint(std::uint64_t value);
    void zigzag(std::int64_t value); ///< varint of (value << 1) ^ (value >> 63)
    void raw(ByteSpan bytes) { append(out_, bytes); }
    void blob(ByteSpan bytes);
    void text(std::string_view text) { blob(as_bytes(text)); }
    void time(Timestamp time); ///< zigzag seconds, varint nanoseconds
    template <typename Tag>
    void id(const Id<Tag>& id)
    {
        raw(id.bytes);
    }
    std::size_t size() const { return out_.size(); }

private:
    Bytes& out_;
};

/// Reads them back from bytes nobody vouches for: never out of bounds, never an allocation that the remaining bytes do not back.
/// Throws Error{damaged} saying `what` ("tree page", "pack directory") is cut short or malformed. Spans point into the input.
class Decoder {
public:
    Decoder(ByteSpan bytes, const char* what) : rest_(bytes), what_(what) {}
    std::uint8_t u8();
    std::uint32_t u32();
    std::uint64_t u64();
    std::uint64_t varint();
    /// At most `limit`, else damaged.
    std::uint64_t varint(std::uint64_t limit);
    std::int64_t zigzag();
    ByteSpan raw(std::size_t size);
    ByteSpan blob(std::size_t limit);
    std::string text(std::size_t limit);
    Timestamp time();
    template <typename IdType>
    IdType id()
    {
        return IdType::from(raw(32));
    }
    /// A count of things of which each takes at least `least_size` of the remaining bytes.
    std::size_t count(std::size_t least_size);
    bool at_end() const { return rest_.empty(); }
    std::size_t remaining() const { return rest_.size(); }
    /// Throws unless at_end().
    void finish() const;
    [[noreturn]] void fail(const std::string& why) const;

private:
    ByteSpan rest_;
    const char* what_;
};

} // namespace backstay::core
