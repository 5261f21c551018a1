#include "codec/cipher.hpp"

#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

Bytes hex(std::string_view text)
{
    return from_hex(text).value();
}

Nonce nonce_of(std::string_view text)
{
    Nonce nonce{};
    const Bytes bytes = hex(text);
    std::copy(bytes.begin(), bytes.end(), nonce.begin());
    return nonce;
}

Bytes sealed(Cipher& cipher, const Nonce& nonce, ByteSpan associated, ByteSpan plain)
{
    Bytes out(plain.size() + seal_overhead);
    cipher.seal(nonce, associated, plain, out);
    return out;
}

struct Vector {
    const char* key;
    const char* nonce;
    const char* associated;
    const char* plain;
    const char* sealed;
};

// McGrew, Viega: "The Galois/Counter Mode of Operation", test cases 13 to 16 (also NIST's).
const Vector vectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
     "b094dac5d93471bdec1a502270e3cc6c"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

} // namespace

TEST_CASE("AES-256-GCM seals and opens the published test cases")
{
    for (const Vector& vector : vectors) {
        CAPTURE(vector.sealed);
        Cipher cipher(hex(vector.key));
        const Nonce nonce = nonce_of(vector.nonce);
        const Bytes associated = hex(vector.associated);
        const Bytes plain = hex(vector.plain);
        const Bytes expected = hex(vector.sealed);
        CHECK(sealed(cipher, nonce, associated, plain) == expected);
        Bytes opened(plain.size());
        CHECK(cipher.open(nonce, associated, expected, opened));
        CHECK(opened == plain);
    }
}

TEST_CASE("one cipher seals and opens in turn, at every size")
{
    Cipher cipher(seeded_bytes(1, 32));
    const Bytes associated = seeded_bytes(2, 13);
    for (std::size_t size = 0; size < 600; size += 1 + size / 8) {
        CAPTURE(size);
        Nonce nonce{};
        nonce[0] = static_cast<std::uint8_t>(size);
        nonce[1] = static_cast<std::uint8_t>(size >> 8U);
        const Bytes plain = seeded_bytes(size, size);
        const Bytes bytes = sealed(cipher, nonce, associated, plain);
        Bytes opened(size);
        CHECK(cipher.open(nonce, associated, bytes, opened));
        CHECK(opened == plain);
    }
}

TEST_CASE("sealing and opening work in place")
{
    Cipher cipher(seeded_bytes(1, 32));
    const Nonce nonce{1};
    const Bytes plain = seeded_bytes(2, 100'000);
    Bytes buffer = plain;
    buffer.resize(plain.size() + seal_overhead);
    cipher.seal(nonce, {}, ByteSpan(buffer).first(plain.size()), buffer);
    CHECK(buffer == sealed(cipher, nonce, {}, plain));
    CHECK(cipher.open(nonce, {}, buffer, MutableByteSpan(buffer).first(plain.size())));
    CHECK(equal(ByteSpan(buffer).first(plain.size()), plain));
}

TEST_CASE("what was changed anywhere does not open, and gives zeros")
{
    Cipher cipher(seeded_bytes(1, 32));
    const Nonce nonce{1, 2, 3};
    const Bytes associated = seeded_bytes(2, 20);
    const Bytes plain = seeded_bytes(3, 50);
    const Bytes good = sealed(cipher, nonce, associated, plain);
    const Bytes zeros(plain.size());

    for (std::size_t bit = 0; bit < good.size() * 8; bit += 3) {
        CAPTURE(bit);
        Bytes bad = good;
        bad[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        Bytes opened(plain.size(), 0xff);
        CHECK_FALSE(cipher.open(nonce, associated, bad, opened));
        CHECK(opened == zeros);
    }
    Bytes opened(plain.size());
    Bytes other = associated;
    other.back() ^= 1U;
    CHECK_FALSE(cipher.open(nonce, other, good, opened));
    CHECK_FALSE(cipher.open(Nonce{1, 2, 4}, associated, good, opened));
    Cipher stranger(seeded_bytes(9, 32));
    CHECK_FALSE(stranger.open(nonce, associated, good, opened));
    CHECK(cipher.open(nonce, associated, good, opened));
}

TEST_CASE("bytes shorter than a tag do not open")
{
    Cipher cipher(seeded_bytes(1, 32));
    for (std::size_t size = 0; size < seal_overhead; ++size) {
        CHECK_FALSE(cipher.open(Nonce{}, {}, Bytes(size), {}));
    }
}

TEST_CASE("a moved cipher keeps its key")
{
    Cipher first(seeded_bytes(1, 32));
    const Bytes expected = sealed(first, Nonce{}, {}, as_bytes("plain"));
    Cipher second(seeded_bytes(2, 32));
    second = std::move(first);
    CHECK(sealed(second, Nonce{}, {}, as_bytes("plain")) == expected);
}
