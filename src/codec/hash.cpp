// The one-shot and EVP interfaces of OpenSSL 3 cost an allocation and a fetch for each message; ids
// are made of hundreds of thousands of short ones. The low-level functions are deprecated, not
// slower nor less safe, and this is the only file that uses them.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "codec/hash.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t block_size = 64;

Digest finish(SHA256_CTX& context)
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
    return finish(context);
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
    return core::finish(state_->context);
}

/// RFC 2104, with both key blocks hashed already.
struct HmacSha256::State {
    SHA256_CTX inner;
    SHA256_CTX outer;
    ~State() { OPENSSL_cleanse(this, sizeof *this); }
};

HmacSha256::HmacSha256(ByteSpan key) : state_(std::make_unique<State>())
{
    std::array<std::uint8_t, block_size> block{};
    if (key.size() > block_size) {
        const Digest hashed = sha256(key);
        std::memcpy(block.data(), hashed.data(), hashed.size());
    } else if (!key.empty()) {
        std::memcpy(block.data(), key.data(), key.size());
    }
    std::array<std::uint8_t, block_size> padded{};
    const auto start = [&](SHA256_CTX& context, std::uint8_t pad) {
        for (std::size_t i = 0; i < block_size; ++i) {
            padded[i] = block[i] ^ pad;
        }
        SHA256_Init(&context);
        SHA256_Update(&context, padded.data(), padded.size());
    };
    start(state_->inner, 0x36);
    start(state_->outer, 0x5c);
    OPENSSL_cleanse(block.data(), block.size());
    OPENSSL_cleanse(padded.data(), padded.size());
}

HmacSha256::~HmacSha256() = default;
HmacSha256::HmacSha256(HmacSha256&&) noexcept = default;
HmacSha256& HmacSha256::operator=(HmacSha256&&) noexcept = default;

Digest HmacSha256::of(ByteSpan head, ByteSpan tail) const
{
    SHA256_CTX inner = state_->inner;
    SHA256_Update(&inner, head.data(), head.size());
    SHA256_Update(&inner, tail.data(), tail.size());
    const Digest digest = finish(inner);
    SHA256_CTX outer = state_->outer;
    SHA256_Update(&outer, digest.data(), digest.size());
    return finish(outer);
}

} // namespace backstay::core
