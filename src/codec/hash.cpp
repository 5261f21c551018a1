#include "codec/hash.hpp"

// The SHA256_* functions are deprecated but supported, and their state is a plain struct: copying
// it costs 112 bytes instead of an allocated EVP context, which is three quarters of a short HMAC.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/secret.hpp"

#include <openssl/md5.h>
#include <openssl/sha.h>

namespace backstay::core
{

namespace
{

Digest final_of(SHA256_CTX& context)
{
    Digest digest;
    SHA256_Final(digest.data(), &context);
    return digest;
}

} // namespace

Digest sha256(ByteSpan bytes)
{
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes.data(), bytes.size());
    return final_of(context);
}

std::array<std::uint8_t, 16> md5(ByteSpan bytes)
{
    std::array<std::uint8_t, 16> digest{};
    MD5(bytes.data(), bytes.size(), digest.data());
    return digest;
}

struct Sha256::State {
    SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>())
{
    SHA256_Init(&state_->context);
}

Sha256::~Sha256() = default;

void Sha256::update(ByteSpan bytes)
{
    SHA256_Update(&state_->context, bytes.data(), bytes.size());
}

Digest Sha256::finish()
{
    return final_of(state_->context);
}

struct HmacSha256::State {
    SHA256_CTX inner;
    SHA256_CTX outer;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { wipe({reinterpret_cast<std::uint8_t*>(this), sizeof *this}); }
};

namespace
{

using KeyBlock = std::array<std::uint8_t, SHA256_CBLOCK>;

/// `context` after one block: the key xor `pad`.
void start_with(SHA256_CTX& context, const KeyBlock& key, std::uint8_t pad)
{
    KeyBlock padded;
    for (std::size_t i = 0; i < key.size(); ++i) {
        padded[i] = key[i] ^ pad;
    }
    SHA256_Init(&context);
    SHA256_Update(&context, padded.data(), padded.size());
    wipe(padded);
}

} // namespace

HmacSha256::HmacSha256(ByteSpan key) : state_(std::make_unique<State>())
{
    KeyBlock block{};
    if (key.size() > block.size()) {
        const Digest digest = sha256(key);
        std::copy(digest.begin(), digest.end(), block.begin());
    } else {
        std::copy(key.begin(), key.end(), block.begin());
    }
    start_with(state_->inner, block, 0x36);
    start_with(state_->outer, block, 0x5c);
    wipe(block);
}

HmacSha256::~HmacSha256() = default;
HmacSha256::HmacSha256(HmacSha256&&) noexcept = default;
HmacSha256& HmacSha256::operator=(HmacSha256&&) noexcept = default;

Digest HmacSha256::of(ByteSpan head, ByteSpan tail) const
{
    SHA256_CTX context = state_->inner;
    SHA256_Update(&context, head.data(), head.size());
    SHA256_Update(&context, tail.data(), tail.size());
    const Digest inner = final_of(context);
    context = state_->outer;
    SHA256_Update(&context, inner.data(), inner.size());
    return final_of(context);
}

} // namespace backstay::core
