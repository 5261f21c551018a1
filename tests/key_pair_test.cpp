#include "codec/key_pair.hpp"

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

struct SignatureVector {
    const char* seed;
    const char* public_key;
    const char* message;
    const char* signature;
};

// RFC 8032, 7.1, tests 1 to 3.
const SignatureVector signature_vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
};

} // namespace

TEST_CASE("Ed25519 gives the keys and signatures of RFC 8032")
{
    for (const SignatureVector& vector : signature_vectors) {
        CAPTURE(vector.seed);
        const Secret seed = Secret::copy_of(hex(vector.seed));
        const PublicKey key = signing_public_key(seed);
        CHECK(to_hex(key) == vector.public_key);
        const Bytes message = hex(vector.message);
        const Signature signature = sign(seed, message);
        CHECK(to_hex(signature) == vector.signature);
        CHECK(signature_is_good(key, message, signature));
    }
}

TEST_CASE("a signature is not good for another message, key or signature")
{
    const Secret seed = Secret::copy_of(seeded_bytes(1, 32));
    const PublicKey key = signing_public_key(seed);
    const Signature signature = sign(seed, as_bytes("message"));
    CHECK(signature_is_good(key, as_bytes("message"), signature));
    CHECK_FALSE(signature_is_good(key, as_bytes("Message"), signature));
    CHECK_FALSE(signature_is_good(signing_public_key(Secret::copy_of(seeded_bytes(2, 32))),
                                  as_bytes("message"), signature));
    for (std::size_t bit = 0; bit < signature.size() * 8; bit += 5) {
        CAPTURE(bit);
        Signature bad = signature;
        bad[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        CHECK_FALSE(signature_is_good(key, as_bytes("message"), bad));
    }
    CHECK_FALSE(signature_is_good(PublicKey{}, as_bytes("message"), signature));
}

TEST_CASE("X25519 gives the public keys of RFC 7748, 6.1")
{
    const auto public_of = [](std::string_view private_key) {
        return to_hex(agreement_public_key(Secret::copy_of(hex(private_key))));
    };
    CHECK(public_of("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a") ==
          "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    CHECK(public_of("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb") ==
          "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

// From Alice's key of RFC 7748 to Bob's; computed from the definition with libsodium and Python's
// hmac.
TEST_CASE("what another implementation wrapped is opened")
{
    const Secret bob =
        Secret::copy_of(hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
    const Bytes wrapped = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
                              "4fcbf38e83f97fb9dc9d657d6cf4b25658ef68e5ab512c10569bb2e199d91a55");
    const std::optional<Secret> opened = unwrap(bob, wrapped, "class keys");
    REQUIRE(opened);
    CHECK(as_text(opened->span()) == "sixteen byte key");
}

TEST_CASE("what was wrapped to a key is opened by its private half, and by no other")
{
    const Secret own = Secret::copy_of(seeded_bytes(1, 32));
    const Secret other = Secret::copy_of(seeded_bytes(2, 32));
    const Bytes plain = seeded_bytes(3, 77);
    const Bytes wrapped = wrap_to(agreement_public_key(own), plain, "class keys");
    CHECK(wrapped.size() == plain.size() + wrap_overhead);

    const std::optional<Secret> opened = unwrap(own, wrapped, "class keys");
    REQUIRE(opened);
    CHECK(equal(opened->span(), plain));
    CHECK_FALSE(unwrap(other, wrapped, "class keys"));
    CHECK_FALSE(unwrap(own, wrapped, "another context"));
}

TEST_CASE("wrapping the same bytes twice gives different bytes")
{
    const PublicKey to = agreement_public_key(Secret::copy_of(seeded_bytes(1, 32)));
    CHECK(wrap_to(to, as_bytes("key"), "") != wrap_to(to, as_bytes("key"), ""));
}

TEST_CASE("wrapped bytes that were changed or cut do not open")
{
    const Secret own = Secret::copy_of(seeded_bytes(1, 32));
    const Bytes wrapped = wrap_to(agreement_public_key(own), as_bytes("sixteen byte key"), "c");
    for (std::size_t at = 0; at < wrapped.size(); ++at) {
        CAPTURE(at);
        Bytes bad = wrapped;
        bad[at] ^= 0x10U;
        CHECK_FALSE(unwrap(own, bad, "c"));
        CHECK_FALSE(unwrap(own, ByteSpan(wrapped).first(at), "c"));
    }
}

TEST_CASE("a public key of small order is refused")
{
    CHECK_THROWS_AS(wrap_to(PublicKey{}, as_bytes("key"), ""), Error);
    const Bytes wrapped(wrap_overhead + 32);
    CHECK_FALSE(unwrap(Secret::copy_of(seeded_bytes(1, 32)), wrapped, ""));
}
