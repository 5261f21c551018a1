#include "codec/key_derivation.hpp"

#include "base/error.hpp"
#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

Bytes hex(std::string_view text)
{
    return from_hex(text).value();
}

std::string hkdf_hex(std::string_view key, std::string_view salt, std::string_view info,
                     std::size_t size)
{
    const Bytes info_bytes = hex(info);
    return to_hex(hkdf(hex(key), hex(salt), as_text(info_bytes), size).span());
}

std::string argon2_hex(std::string_view passphrase, ByteSpan salt, Argon2Cost cost)
{
    return to_hex(derive_from_passphrase(as_bytes(passphrase), salt, cost).span());
}

ErrorCode error_of(Argon2Cost cost)
{
    try {
        derive_from_passphrase(as_bytes("p"), Bytes(16), cost);
    } catch (const Error& e) {
        return e.code();
    }
    return ErrorCode::internal;
}

} // namespace

TEST_CASE("HKDF-SHA256 gives the keys of RFC 5869's test cases")
{
    CHECK(hkdf_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
                   "f0f1f2f3f4f5f6f7f8f9", 42) ==
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    CHECK(
        hkdf_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"
                 "28292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
                 "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f8081828384858687"
                 "88898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
                 "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7"
                 "d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                 82) ==
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
        "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
    CHECK(hkdf_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", 42) ==
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST_CASE("a shorter key is the beginning of a longer one")
{
    const Secret longest = hkdf(as_bytes("key"), as_bytes("salt"), "info", 255 * 32);
    for (const std::size_t size : {0, 1, 31, 32, 33, 64, 1000}) {
        CAPTURE(size);
        const Secret key = hkdf(as_bytes("key"), as_bytes("salt"), "info", size);
        CHECK(equal(key.span(), longest.span().first(size)));
    }
}

// Computed by libargon2 20171227, the reference implementation.
TEST_CASE("Argon2id gives the keys of the reference implementation")
{
    CHECK(argon2_hex("password", as_bytes("somesaltsomesalt"), {3, 1024}) ==
          "f663220e2d954b93588ebcbcdbe308ae6b2dbb62d317b6d6feff63535b6e3a6e");
    const Bytes counting = hex("000102030405060708090a0b0c0d0e0f");
    CHECK(argon2_hex("", counting, {1, 8}) ==
          "31ed41e2d73f27fdfe4eb4bec651341e58ba43477051c6fe4adad735d82ee08a");
    CHECK(argon2_hex("correct horse battery staple", counting, {}) ==
          "0d1a3c6523c8f06e4e0af9c515aa5b5448cfebd6838f2d52c3d8b6ef8ddc3c2e");
}

TEST_CASE("a cost out of bounds is refused before any memory is taken")
{
    CHECK(error_of({0, 1024}) == ErrorCode::damaged);
    CHECK(error_of({17, 1024}) == ErrorCode::damaged);
    CHECK(error_of({3, 7}) == ErrorCode::damaged);
    CHECK(error_of({3, 1024 * 1024 + 1}) == ErrorCode::damaged);
    CHECK(error_of({3, 0xffffffff}) == ErrorCode::damaged);
}
