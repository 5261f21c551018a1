#include "postgres/crc32c.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("CRC-32C has the values of RFC 3720")
{
    const auto crc = [](ByteSpan bytes) {
        Crc32c sum;
        sum.update(bytes);
        return sum.value();
    };
    CHECK(crc({}) == 0);
    CHECK(crc(as_bytes("123456789")) == 0xE3069283);
    CHECK(crc(Bytes(32, 0x00)) == 0x8A9136AA);
    CHECK(crc(Bytes(32, 0xFF)) == 0x62A8AB43);
}

TEST_CASE("CRC-32C is the same however the bytes are cut")
{
    Bytes bytes(1000);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    }
    Crc32c whole;
    whole.update(bytes);
    for (std::size_t cut = 0; cut < 40; ++cut) {
        Crc32c parts;
        parts.update(ByteSpan(bytes).first(cut));
        parts.update(ByteSpan(bytes).subspan(cut));
        CHECK(parts.value() == whole.value());
    }
}

TEST_CASE("sums of parts give the sum of the whole, and back")
{
    const auto crc = [](ByteSpan bytes) {
        Crc32c sum;
        sum.update(bytes);
        return sum.value();
    };
    Bytes bytes(5000);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 13 + i / 251);
    }
    for (const std::size_t cut : {0UL, 1UL, 7UL, 4096UL, 4999UL, 5000UL}) {
        CAPTURE(cut);
        const ByteSpan first = ByteSpan(bytes).first(cut);
        const ByteSpan second = ByteSpan(bytes).subspan(cut);
        CHECK((crc32c_shift(crc(first), second.size()) ^ crc(second)) == crc(bytes));
        CHECK(crc32c_unshift(crc(bytes) ^ crc(second), second.size()) == crc(first));
    }
}

TEST_CASE("a shift of a sum by any number of bytes is made of shifts by fewer, and can be undone")
{
    const std::uint32_t sum = 0x12345678;
    for (const std::uint64_t size :
         {0ULL, 1ULL, 8192ULL, 268435455ULL, 268435456ULL, 2147483647ULL, 1ULL << 40, ~0ULL - 5}) {
        CAPTURE(size);
        CHECK(crc32c_shift(crc32c_shift(sum, size - size / 3), size / 3) ==
              crc32c_shift(sum, size));
        CHECK(crc32c_unshift(crc32c_shift(sum, size), size) == sum);
    }
    // A gibibyte in one step, and in steps that the test above has shown to be right.
    std::uint32_t stepped = sum;
    for (int i = 0; i < 1 << 18; ++i) {
        stepped = crc32c_shift(stepped, 4096);
    }
    CHECK(stepped == crc32c_shift(sum, std::uint64_t{1} << 30));
}
