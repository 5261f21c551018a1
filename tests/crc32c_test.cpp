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
