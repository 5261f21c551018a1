#include "codec/key_pair.hpp"

#include "base/error.hpp"
#include "codec/cipher.hpp"
#include "codec/key_derivation.hpp"

#include <memory>
#include <openssl/evp.h>

namespace backstay::core
{

namespace
{

struct FreeKey {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct FreeKeyContext {
    void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};
struct FreeDigestContext {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

constexpr std::size_t key_size = 32;

void demand(int result, const char* what)
{
    if (result != 1) {
        throw Error(ErrorCode::internal, std::string(what) + " of libcrypto failed");
    }
}

Key private_key(int type, const Secret& secret)
{
    Key key(
        EVP_PKEY_new_raw_private_key(type, nullptr, secret.span().data(), secret.span().size()));
    if (!key) {
        throw Error(ErrorCode::damaged, "a private key is malformed");
    }
    return key;
}

PublicKey public_half(int type, const Secret& secret)
{
    PublicKey out{};
    std::size_t size = out.size();
    demand(EVP_PKEY_get_raw_public_key(private_key(type, secret).get(), out.data(), &size),
           "the public key");
    return out;
}

/// Empty where the public key is of small order: nothing may be wrapped to it.
std::optional<Secret> agree(const Secret& secret, const PublicKey& with)
{
    const Key own = private_key(EVP_PKEY_X25519, secret);
    const Key other(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, with.data(), with.size()));
    const std::unique_ptr<EVP_PKEY_CTX, FreeKeyContext> context(
        EVP_PKEY_CTX_new(own.get(), nullptr));
    if (!other || !context) {
        return std::nullopt;
    }
    Secret shared(key_size);
    std::size_t size = key_size;
    const bool agreed = EVP_PKEY_derive_init(context.get()) == 1 &&
                        EVP_PKEY_derive_set_peer(context.get(), other.get()) == 1 &&
                        EVP_PKEY_derive(context.get(), shared.mutable_span().data(), &size) == 1;
    return agreed ? std::optional<Secret>(std::move(shared)) : std::nullopt;
}

Secret wrapping_key(const Secret& shared, const PublicKey& ephemeral, const PublicKey& to,
                    std::string_view context)
{
    Bytes salt(ephemeral.begin(), ephemeral.end());
    append(salt, to);
    return hkdf(shared.span(), salt, "backstay wrap " + std::string(context), key_size);
}

} // namespace

PublicKey signing_public_key(const Secret& secret)
{
    return public_half(EVP_PKEY_ED25519, secret);
}

Signature sign(const Secret& secret, ByteSpan message)
{
    const Key key = private_key(EVP_PKEY_ED25519, secret);
    const std::unique_ptr<EVP_MD_CTX, FreeDigestContext> context(EVP_MD_CTX_new());
    Signature signature{};
    std::size_t size = signature.size();
    demand(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()), "signing");
    demand(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()),
           "signing");
    return signature;
}

bool signature_is_good(const PublicKey& key, ByteSpan message, const Signature& signature)
{
    const Key public_key(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
    const std::unique_ptr<EVP_MD_CTX, FreeDigestContext> context(EVP_MD_CTX_new());
    return public_key && context &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                            message.size()) == 1;
}

PublicKey agreement_public_key(const Secret& secret)
{
    return public_half(EVP_PKEY_X25519, secret);
}

Bytes wrap_to(const PublicKey& to, ByteSpan plain, std::string_view context)
{
    const Secret ephemeral = Secret::random(key_size);
    const PublicKey ephemeral_public = agreement_public_key(ephemeral);
    const std::optional<Secret> shared = agree(ephemeral, to);
    if (!shared) {
        throw Error(ErrorCode::damaged, "a public key cannot be used");
    }
    const Secret key = wrapping_key(*shared, ephemeral_public, to, context);
    Bytes out(ephemeral_public.begin(), ephemeral_public.end());
    out.resize(key_size + plain.size() + seal_overhead);
    Cipher(key.span())
        .seal(Nonce{}, as_bytes(context), plain, MutableByteSpan(out).subspan(key_size));
    return out;
}

std::optional<Secret> unwrap(const Secret& secret, ByteSpan wrapped, std::string_view context)
{
    if (wrapped.size() < wrap_overhead) {
        return std::nullopt;
    }
    PublicKey ephemeral{};
    std::memcpy(ephemeral.data(), wrapped.data(), ephemeral.size());
    const std::optional<Secret> shared = agree(secret, ephemeral);
    if (!shared) {
        return std::nullopt;
    }
    const Secret key = wrapping_key(*shared, ephemeral, agreement_public_key(secret), context);
    Secret plain(wrapped.size() - wrap_overhead);
    const bool opened =
        Cipher(key.span())
            .open(Nonce{}, as_bytes(context), wrapped.subspan(key_size), plain.mutable_span());
    return opened ? std::optional<Secret>(std::move(plain)) : std::nullopt;
}

} // namespace backstay::core
