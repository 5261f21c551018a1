#include "codec/hash.hpp"

#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

Bytes repeated(std::size_t count, std::uint8_t byte)
{
    return Bytes(count, byte);
}

std::string hmac_hex(ByteSpan key, ByteSpan message)
{
    return to_hex(HmacSha256(key).of(message));
}

/// RFC 2104, straight from its text.
Digest plain_hmac(Bytes key, const Bytes& message)
{
    if (key.size() > 64) {
        const Digest digest = sha256(key);
        key.assign(digest.begin(), digest.end());
    }
    key.resize(64);
    Bytes inner;
    Bytes outer;
    for (const std::uint8_t byte : key) {
        inner.push_back(byte ^ 0x36U);
        outer.push_back(byte ^ 0x5cU);
    }
    append(inner, message);
    append(outer, sha256(inner));
    return sha256(outer);
}

} // namespace

TEST_CASE("SHA-256 gives the digests of FIPS 180-4's examples")
{
    CHECK(to_hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(to_hex(sha256(as_bytes("abc"))) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(to_hex(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(to_hex(sha256(repeated(1'000'000, 'a'))) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 in pieces equals SHA-256 in one go")
{
    const Bytes bytes = seeded_bytes(1, 1000);
    for (std::size_t step : {1, 3, 63, 64, 65, 1000}) {
        CAPTURE(step);
        Sha256 hash;
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            hash.update(ByteSpan(bytes).subspan(at, std::min(step, bytes.size() - at)));
        }
        hash.update({});
        CHECK(hash.finish() == sha256(bytes));
    }
}

TEST_CASE("HMAC-SHA256 gives the codes of RFC 4231's test cases")
{
    CHECK(hmac_hex(repeated(20, 0x0b), as_bytes("Hi There")) ==
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    CHECK(hmac_hex(as_bytes("Jefe"), as_bytes("what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(hmac_hex(repeated(20, 0xaa), repeated(50, 0xdd)) ==
          "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    CHECK(hmac_hex(*from_hex("0102030405060708090a0b0c0d0e0f10111213141516171819"),
                   repeated(50, 0xcd)) ==
          "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    CHECK(hmac_hex(repeated(131, 0xaa),
                   as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")) ==
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    CHECK(hmac_hex(repeated(131, 0xaa),
                   as_bytes("This is a test using a larger than block-size key and a larger than "
                            "block-size data. The key needs to be hashed before being used by the "
                            "HMAC algorithm.")) ==
          "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST_CASE("HMAC-SHA256 equals its definition for keys and messages of any length")
{
    for (std::size_t size = 0; size < 200; size += 7) {
        CAPTURE(size);
        const Bytes key = seeded_bytes(size, size);
        const Bytes message = seeded_bytes(size + 1000, 3 * size);
        CHECK(HmacSha256(key).of(message) == plain_hmac(key, message));
    }
}

TEST_CASE("HMAC-SHA256 of head and tail is that of their concatenation, time after time")
{
    const Bytes message = seeded_bytes(3, 200);
    const HmacSha256 mac(as_bytes("key"));
    const Digest whole = mac.of(message);
    for (std::size_t split = 0; split <= message.size(); ++split) {
        CAPTURE(split);
        CHECK(mac.of(ByteSpan(message).first(split), ByteSpan(message).subspan(split)) == whole);
    }
}

TEST_CASE("a moved HMAC keeps its key")
{
    HmacSha256 first(as_bytes("first"));
    const Digest expected = first.of(as_bytes("message"));
    HmacSha256 second(as_bytes("second"));
    second = std::move(first);
    CHECK(second.of(as_bytes("message")) == expected);
}
