#include "codec/key_pair.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "codec/cipher.hpp"
#include "codec/key_derivation.hpp"

#include <cassert>
#include <new>
#include <openssl/evp.h>

namespace backstay::core
{

namespace
{

struct FreeKey {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

struct FreeKeyContext {
    void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeKeyContext>;

struct FreeDigestContext {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeDigestContext>;

constexpr std::size_t private_size = 32;

void require(int result, const char* what)
{
    if (result != 1) {
        throw Error(ErrorCode::internal, what);
    }
}

Key private_key_of(int type, const Secret& bytes)
{
    assert(bytes.span().size() == private_size);
    Key key{EVP_PKEY_new_raw_private_key(type, nullptr, bytes.span().data(), bytes.span().size())};
    require(key ? 1 : 0, "libcrypto does not take a private key");
    return key;
}

/// Empty if libcrypto refuses the bytes.
Key public_key_of(int type, ByteSpan bytes)
{
    return Key{EVP_PKEY_new_raw_public_key(type, nullptr, bytes.data(), bytes.size())};
}

PublicKey public_half(int type, const Secret& private_key)
{
    const Key key = private_key_of(type, private_key);
    PublicKey half;
    std::size_t size = half.size();
    require(EVP_PKEY_get_raw_public_key(key.get(), half.data(), &size),
            "libcrypto does not give the public key");
    return half;
}

DigestContext new_digest_context()
{
    DigestContext context{EVP_MD_CTX_new()};
    if (!context) {
        throw std::bad_alloc();
    }
    return context;
}

/// X25519. Empty for a public key of small order, with which every secret would be zero.
std::optional<Secret> agree(const Secret& private_key, ByteSpan public_key)
{
    const Key own = private_key_of(EVP_PKEY_X25519, private_key);
    const Key other = public_key_of(EVP_PKEY_X25519, public_key);
    const KeyContext context{EVP_PKEY_CTX_new(own.get(), nullptr)};
    Secret shared(32);
    std::size_t size = shared.span().size();
    const bool agreed = other && context && EVP_PKEY_derive_init(context.get()) == 1 &&
                        EVP_PKEY_derive_set_peer(context.get(), other.get()) == 1 &&
                        EVP_PKEY_derive(context.get(), shared.mutable_span().data(), &size) == 1;
    return agreed ? std::optional<Secret>(std::move(shared)) : std::nullopt;
}

/// The salt is both public keys, so the key belongs to this pair and no other.
Cipher wrapping_cipher(const Secret& shared, ByteSpan ephemeral, ByteSpan recipient,
                       std::string_view context)
{
    Bytes salt;
    append(salt, ephemeral);
    append(salt, recipient);
    return Cipher(hkdf(shared.span(), salt, "backstay wrap " + std::string(context), 32).span());
}

} // namespace

PublicKey signing_public_key(const Secret& private_key)
{
    return public_half(EVP_PKEY_ED25519, private_key);
}

Signature sign(const Secret& private_key, ByteSpan message)
{
    const Key key = private_key_of(EVP_PKEY_ED25519, private_key);
    const DigestContext context = new_digest_context();
    require(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()),
            "libcrypto cannot sign");
    Signature signature;
    std::size_t size = signature.size();
    require(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()),
            "libcrypto cannot sign");
    return signature;
}

bool signature_is_good(const PublicKey& key, ByteSpan message, const Signature& signature)
{
    const Key public_key = public_key_of(EVP_PKEY_ED25519, key);
    const DigestContext context = new_digest_context();
    return public_key &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                            message.size()) == 1;
}

PublicKey agreement_public_key(const Secret& private_key)
{
    return public_half(EVP_PKEY_X25519, private_key);
}

Bytes wrap_to(const PublicKey& to, ByteSpan plain, std::string_view context)
{
    const Secret ephemeral = Secret::random(private_size);
    const PublicKey ephemeral_public = agreement_public_key(ephemeral);
    const std::optional<Secret> shared = agree(ephemeral, to);
    if (!shared) {
        throw Error(ErrorCode::damaged, "a slot's public key is no usable X25519 key: the keyring "
                                        "is damaged or not to be trusted");
    }
    Bytes wrapped(wrap_overhead + plain.size());
    std::copy(ephemeral_public.begin(), ephemeral_public.end(), wrapped.begin());
    wrapping_cipher(*shared, ephemeral_public, to, context)
        .seal(Nonce{}, as_bytes(context), plain,
              MutableByteSpan(wrapped).subspan(ephemeral_public.size()));
    return wrapped;
}

std::optional<Secret> unwrap(const Secret& private_key, ByteSpan wrapped, std::string_view context)
{
    if (wrapped.size() < wrap_overhead) {
        return std::nullopt;
    }
    const ByteSpan ephemeral = wrapped.first(PublicKey{}.size());
    const std::optional<Secret> shared = agree(private_key, ephemeral);
    if (!shared) {
        return std::nullopt;
    }
    Secret plain(wrapped.size() - wrap_overhead);
    const bool opened =
        wrapping_cipher(*shared, ephemeral, agreement_public_key(private_key), context)
            .open(Nonce{}, as_bytes(context), wrapped.subspan(ephemeral.size()),
                  plain.mutable_span());
    return opened ? std::optional<Secret>(std::move(plain)) : std::nullopt;
}

} // namespace backstay::core
