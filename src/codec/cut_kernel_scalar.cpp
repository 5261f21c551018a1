#include "codec/cut_kernel.hpp"

#include "base/error.hpp"
#include "base/secret.hpp"

// AES_encrypt() is deprecated but supported, and unlike an EVP context one AES_KEY serves many
// threads. It decides one position in 256, on machines without AES instructions only.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <bit>
#include <openssl/aes.h>

namespace backstay::core
{

namespace
{

std::uint32_t load32(const std::uint8_t* from)
{
    std::uint32_t word = 0;
    std::memcpy(&word, from, sizeof word);
    if constexpr (std::endian::native == std::endian::big) {
        word = __builtin_bswap32(word);
    }
    return word;
}

void store64(std::uint8_t* to, std::uint64_t value)
{
    for (unsigned i = 0; i < 8; ++i) {
        to[i] = static_cast<std::uint8_t>(value >> 8U * i);
    }
}

/// NH (Black et al., UMAC, CRYPTO '99) of cut_window bytes.
std::uint64_t nh(const std::uint8_t* bytes, const std::uint32_t (&key)[16])
{
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < 16; i += 2) {
        const std::uint32_t even = load32(bytes + 4 * i) + key[i];
        const std::uint32_t odd = load32(bytes + 4 * i + 4) + key[i + 1];
        sum += static_cast<std::uint64_t>(even) * odd;
    }
    return sum;
}

class ScalarKernel : public CutKernel
{
public:
    explicit ScalarKernel(const CutKeys& keys) : keys_(keys)
    {
        if (AES_set_encrypt_key(keys.aes, 128, &aes_) != 0) {
            throw Error(ErrorCode::internal, "AES-128 failed in libcrypto");
        }
    }
    ScalarKernel(const ScalarKernel&) = delete;
    ScalarKernel& operator=(const ScalarKernel&) = delete;
    ~ScalarKernel() override
    {
        wipe({reinterpret_cast<std::uint8_t*>(&keys_), sizeof keys_});
        wipe({reinterpret_cast<std::uint8_t*>(&aes_), sizeof aes_});
    }

    std::size_t find_candidates(const std::uint8_t* data, std::size_t begin, std::size_t end,
                                std::int32_t limit, std::uint32_t* positions) const override
    {
        std::size_t count = 0;
        for (std::size_t at = begin; at < end; ++at) {
            const std::uint32_t hash = load32(data + at - 3) * last_word_factor +
                                       load32(data + at - 7) * earlier_word_factor;
            if (static_cast<std::int32_t>(hash) > limit) {
                positions[count++] = static_cast<std::uint32_t>(at);
            }
        }
        return count;
    }

    std::size_t find_cut(const std::uint8_t* data, const std::uint32_t* positions,
                         std::size_t count, std::uint64_t threshold) const override
    {
        for (std::size_t i = 0; i < count; ++i) {
            if (value_at(data + positions[i] + 1 - cut_window) < threshold) {
                return i;
            }
        }
        return count;
    }

private:
    std::uint32_t value_at(const std::uint8_t* window) const
    {
        std::uint8_t block[AES_BLOCK_SIZE];
        store64(block, nh(window, keys_.nh[0]));
        store64(block + 8, nh(window, keys_.nh[1]));
        AES_encrypt(block, block, &aes_);
        return load32(block);
    }

    CutKeys keys_;
    AES_KEY aes_;
};

} // namespace

std::unique_ptr<CutKernel> make_scalar_kernel(const CutKeys& keys)
{
    return std::make_unique<ScalarKernel>(keys);
}

} // namespace backstay::core
