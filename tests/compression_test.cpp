#include "codec/compression.hpp"

#include "base/error.hpp"
#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>
#include <zstd.h>

using namespace backstay::core;

namespace
{

struct Encoded {
    Encoding encoding;
    Bytes bytes;
};

Encoded encode(Compressor& compressor, ByteSpan plain)
{
    Bytes out(Compressor::encoded_bound(plain.size()));
    const Compressor::Result result = compressor.encode(plain, out);
    return {result.encoding, Bytes(result.bytes.begin(), result.bytes.end())};
}

bool comes_back(Decompressor& decompressor, const Encoded& encoded, const Bytes& plain)
{
    Bytes decoded(plain.size());
    return decompressor.decode(encoded.encoding, encoded.bytes, decoded) && decoded == plain;
}

Bytes zstd_frame(ByteSpan plain)
{
    Bytes out(ZSTD_compressBound(plain.size()));
    out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
    return out;
}

Bytes joined(const Bytes& a, const Bytes& b)
{
    Bytes both = a;
    append(both, b);
    return both;
}

} // namespace

TEST_CASE("what was encoded comes back, at every level and many sizes")
{
    Decompressor decompressor;
    for (const int level : {-7, -1, 0, 1, 2, 3, 9, 19}) {
        Compressor compressor(level);
        for (const std::size_t size : {0, 1, 2, 31, 32, 33, 1000, 4096, 40'000, 300'000}) {
            CAPTURE(level);
            CAPTURE(size);
            for (const Bytes& plain :
                 {seeded_text(size, size), seeded_bytes(size, size), Bytes(size)}) {
                const Encoded encoded = encode(compressor, plain);
                CHECK(encoded.bytes.size() <= plain.size());
                CHECK(comes_back(decompressor, encoded, plain));
            }
        }
    }
}

TEST_CASE("text shrinks at every level but 0")
{
    const Bytes text = seeded_text(1, 200'000);
    for (const int level : {-7, 1, 2, 19}) {
        CAPTURE(level);
        Compressor compressor(level);
        const Encoded encoded = encode(compressor, text);
        CHECK(encoded.encoding == Encoding::zstd);
        CHECK(encoded.bytes.size() < text.size() * 3 / 4);
    }
    Compressor none(0);
    CHECK(encode(none, text).encoding == Encoding::raw);
}

TEST_CASE("random bytes are kept raw")
{
    Compressor compressor(2);
    for (const std::size_t size : {1, 100, 10'000, 32'768, 1'000'000}) {
        CAPTURE(size);
        const Bytes bytes = seeded_bytes(size, size);
        const Encoded encoded = encode(compressor, bytes);
        CHECK(encoded.encoding == Encoding::raw);
        CHECK(encoded.bytes == bytes);
    }
}

TEST_CASE("random bytes with one part in eight of text still shrink")
{
    Compressor compressor(2);
    for (std::size_t at = 0; at < 8; ++at) {
        CAPTURE(at);
        Bytes bytes = seeded_bytes(at, 1'000'000);
        const Bytes text = seeded_text(at, 125'000);
        std::copy(text.begin(), text.end(),
                  bytes.begin() + static_cast<std::ptrdiff_t>(at * 125'000));
        CHECK(encode(compressor, bytes).bytes.size() < 970'000);
    }
}

TEST_CASE("random bytes that repeat still shrink")
{
    Compressor compressor(2);
    const Bytes once = seeded_bytes(1, 4096);
    Bytes often;
    for (int i = 0; i < 100; ++i) {
        append(often, once);
    }
    CHECK(encode(compressor, often).bytes.size() < 20'000);
}

TEST_CASE("an encoding that saves less than one part in 32 is not taken")
{
    // 2 % of zeros in random bytes.
    Compressor compressor(1);
    Bytes bytes = seeded_bytes(1, 20'000);
    std::fill_n(bytes.begin() + 5'000, 400, std::uint8_t{0});
    CHECK(encode(compressor, bytes).encoding == Encoding::raw);
    std::fill_n(bytes.begin() + 5'000, 800, std::uint8_t{0});
    CHECK(encode(compressor, bytes).encoding == Encoding::zstd);
}

TEST_CASE("a level that does not exist is refused")
{
    CHECK_THROWS_AS(Compressor(-8), Error);
    CHECK_THROWS_AS(Compressor(20), Error);
}

TEST_CASE("bytes of another length than promised do not decode")
{
    Decompressor decompressor;
    const Bytes text = seeded_text(1, 10'000);
    const Bytes frame = zstd_frame(text);
    for (const std::size_t size : {0, 1, 9'999, 10'001, 1'000'000}) {
        CAPTURE(size);
        Bytes out(size);
        CHECK_FALSE(decompressor.decode(Encoding::zstd, frame, out));
        CHECK_FALSE(decompressor.decode(Encoding::raw, text, out));
    }
    Bytes out(text.size());
    CHECK(decompressor.decode(Encoding::zstd, frame, out));
}

TEST_CASE("a cut, lengthened, doubled or foreign frame does not decode")
{
    Decompressor decompressor;
    const Bytes text = seeded_text(1, 2'000);
    const Bytes frame = zstd_frame(text);
    Bytes out(text.size());
    for (std::size_t size = 0; size < frame.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(decompressor.decode(Encoding::zstd, ByteSpan(frame).first(size), out));
    }
    CHECK_FALSE(decompressor.decode(Encoding::zstd, joined(frame, {0}), out));
    Bytes twice(2 * text.size());
    CHECK_FALSE(decompressor.decode(Encoding::zstd, joined(frame, frame), twice));
    // A frame that readers skip, of 4 bytes, and one of the others behind it.
    const Bytes skipped{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
    CHECK_FALSE(decompressor.decode(Encoding::zstd, skipped, {}));
    CHECK_FALSE(decompressor.decode(Encoding::zstd, joined(skipped, frame), out));
    CHECK_FALSE(decompressor.decode(static_cast<Encoding>(2), text, out));
    // After all that, the context still serves.
    CHECK(decompressor.decode(Encoding::zstd, frame, out));
    CHECK(out == text);
}

TEST_CASE("a frame that claims a terabyte takes no memory for it")
{
    // Single segment, eight bytes of content size, one empty last block.
    Bytes frame{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0};
    Decompressor decompressor;
    Bytes out(100);
    CHECK_FALSE(decompressor.decode(Encoding::zstd, frame, out));
}
