#include "format/encoding.hpp"

#include "base/error.hpp"

#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr int longest_varint = 10;

template <typename Integer>
void put_little_endian(Bytes& out, Integer value)
{
    for (std::size_t i = 0; i < sizeof value; ++i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

template <typename Integer>
Integer get_little_endian(ByteSpan bytes)
{
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) {
        value |= static_cast<Integer>(Integer{bytes[i]} << (8 * i));
    }
    return value;
}

} // namespace

void Encoder::u32(std::uint32_t value)
{
    put_little_endian(out_, value);
}

void Encoder::u64(std::uint64_t value)
{
    put_little_endian(out_, value);
}

void Encoder::varint(std::uint64_t value)
{
    while (value >= 0x80) {
        out_.push_back(static_cast<std::uint8_t>(value | 0x80));
        value >>= 7;
    }
    out_.push_back(static_cast<std::uint8_t>(value));
}

void Encoder::zigzag(std::int64_t value)
{
    varint(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
}

void Encoder::blob(ByteSpan bytes)
{
    varint(bytes.size());
    raw(bytes);
}

void Encoder::time(Timestamp time)
{
    zigzag(time.seconds);
    varint(time.nanoseconds);
}

void Decoder::fail(const std::string& why) const
{
    throw Error(ErrorCode::damaged, fmt::format("the {} is malformed: {}", what_, why));
}

ByteSpan Decoder::raw(std::size_t size)
{
    if (size > rest_.size()) {
        fail("it is cut short");
    }
    const ByteSpan bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return bytes;
}

std::uint8_t Decoder::u8()
{
    return raw(1)[0];
}

std::uint32_t Decoder::u32()
{
    return get_little_endian<std::uint32_t>(raw(4));
}

std::uint64_t Decoder::u64()
{
    return get_little_endian<std::uint64_t>(raw(8));
}

std::uint64_t Decoder::varint()
{
    std::uint64_t value = 0;
    for (int i = 0; i < longest_varint; ++i) {
        const std::uint8_t byte = u8();
        const auto bits = static_cast<std::uint64_t>(byte & 0x7f);
        if (i == longest_varint - 1 && bits > 1) {
            fail("a number is too large");
        }
        value |= bits << (7 * i);
        if ((byte & 0x80) == 0) {
            if (byte == 0 && i > 0) {
                fail("a number is not written in the shortest way"); // one value has one form
            }
            return value;
        }
    }
    fail("a number does not end");
}

std::uint64_t Decoder::varint(std::uint64_t limit)
{
    const std::uint64_t value = varint();
    if (value > limit) {
        fail(fmt::format("a number is {}, the most is {}", value, limit));
    }
    return value;
}

std::int64_t Decoder::zigzag()
{
    const std::uint64_t value = varint();
    return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

ByteSpan Decoder::blob(std::size_t limit)
{
    return raw(static_cast<std::size_t>(varint(limit)));
}

std::string Decoder::text(std::size_t limit)
{
    return std::string(as_text(blob(limit)));
}

Timestamp Decoder::time()
{
    const std::int64_t seconds = zigzag();
    return {seconds, static_cast<std::uint32_t>(varint(999'999'999))};
}

std::size_t Decoder::count(std::size_t least_size)
{
    const std::uint64_t value = varint();
    if (value > rest_.size() / least_size) {
        fail("it claims more than it holds");
    }
    return static_cast<std::size_t>(value);
}

void Decoder::finish() const
{
    if (!at_end()) {
        fail("something follows its end");
    }
}

} // namespace backstay::core
