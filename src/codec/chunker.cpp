// The fallback for processors without AES instructions uses libcrypto's low-level AES: a context
// for each block would cost more than the block.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "codec/chunker.hpp"

#include "base/secret.hpp"
#include "codec/chunker_scan.hpp"
#include "codec/key_derivation.hpp"

#include <algorithm>
#include <cassert>
#include <openssl/aes.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t hashed_bytes = 64; ///< NH's message: the bytes that end at the candidate
constexpr std::size_t hashed_words = hashed_bytes / 4;
constexpr std::size_t key_shift = 4; ///< words: the second hash uses the key moved by 16 bytes (the
                                     ///< Toeplitz construction of UMAC, RFC 4418)
constexpr std::size_t key_words = hashed_words + key_shift;
constexpr unsigned common_shift = 24; ///< of the prefilter: one position in 256
constexpr unsigned dense_shift = 26;  ///< one in 64, for small averages
constexpr std::uint32_t least_common_average = 16 * 1024;

std::uint32_t load32(const std::uint8_t* p)
{
    std::uint32_t value = 0;
    std::memcpy(&value, p, sizeof value);
    return value;
}

__extension__ using Wide = unsigned __int128;

/// Part of 2^64 that stands for a probability of numerator / denominator.
std::uint64_t threshold(std::uint64_t numerator, std::uint64_t denominator)
{
    return numerator >= denominator
               ? UINT64_MAX
               : static_cast<std::uint64_t>((static_cast<Wide>(numerator) << 64) / denominator);
}

bool has_avx2()
{
    return __builtin_cpu_supports("avx2") != 0;
}
bool has_aes()
{
    return __builtin_cpu_supports("aes") != 0;
}

} // namespace

std::size_t scan_scalar(const std::uint8_t* data, std::size_t from, std::size_t to, unsigned shift)
{
    const std::uint32_t least = ~std::uint32_t{0} << shift;
    for (; from < to; ++from) {
        const std::uint32_t a = load32(data + from - 3);
        const std::uint32_t b = load32(data + from - 7);
        if (a * scan_factor_a + b * scan_factor_b >= least && a != b) {
            return from;
        }
    }
    return to;
}

struct Chunker::Keys {
    std::array<std::uint32_t, key_words> hash{};
    alignas(16) std::array<std::uint8_t, 176> round_keys{};
    AES_KEY aes{};
    bool by_instructions = has_aes();

    ~Keys()
    {
        wipe({reinterpret_cast<std::uint8_t*>(hash.data()), sizeof hash});
        wipe(round_keys);
        wipe({reinterpret_cast<std::uint8_t*>(&aes), sizeof aes});
    }

    /// NH (UMAC) twice, for 128 bits, then AES-128; its first 64 bits.
    std::uint64_t decide(const std::uint8_t* message) const
    {
        std::array<std::uint64_t, 2> sums{};
        for (std::size_t i = 0; i < hashed_words; i += 2) {
            const std::uint32_t first = load32(message + 4 * i);
            const std::uint32_t second = load32(message + 4 * i + 4);
            sums[0] += std::uint64_t{first + hash[i]} * (second + hash[i + 1]);
            sums[1] +=
                std::uint64_t{first + hash[i + key_shift]} * (second + hash[i + 1 + key_shift]);
        }
        std::array<std::uint8_t, 16> block{};
        std::memcpy(block.data(), sums.data(), block.size());
        if (by_instructions) {
            aes128_encrypt_ni(round_keys.data(), block.data(), block.data());
        } else {
            AES_encrypt(block.data(), block.data(), &aes);
        }
        std::uint64_t decision = 0;
        std::memcpy(&decision, block.data(), sizeof decision);
        return decision;
    }
};

Chunker::Chunker(ByteSpan cut_key, ChunkerParameters parameters, ChunkerPath path)
    : parameters_(parameters), keys_(std::make_unique<Keys>()), path_(path)
{
    assert(parameters.average >= 1024);
    if (path_ == ChunkerPath::fastest) {
        path_ = has_avx2() ? ChunkerPath::avx2 : ChunkerPath::scalar;
    }
    const Secret derived = hkdf(cut_key, {}, "backstay chunker", sizeof keys_->hash + 16);
    std::memcpy(keys_->hash.data(), derived.span().data(), sizeof keys_->hash);
    const std::uint8_t* aes_key = derived.span().data() + sizeof keys_->hash;
    AES_set_encrypt_key(aes_key, 128, &keys_->aes);
    if (keys_->by_instructions) {
        aes128_expand_ni(aes_key, keys_->round_keys.data());
    }
}

Chunker::~Chunker() = default;

bool Chunker::supported(ChunkerPath path)
{
    return path != ChunkerPath::avx2 || has_avx2();
}

std::size_t Chunker::next_cut(ByteSpan window, bool at_end) const
{
    assert(at_end || window.size() >= parameters_.maximum());
    static_cast<void>(at_end);
    const std::size_t limit = std::min<std::size_t>(window.size(), parameters_.maximum());
    if (limit <= parameters_.minimum()) {
        return limit;
    }
    const unsigned shift = parameters_.average >= least_common_average ? common_shift : dense_shift;
    const std::uint64_t positions_a_candidate = std::uint64_t{1} << (32 - shift);
    // Before this length a candidate is taken with a quarter of the plain probability, behind it
    // with four times as much: lengths gather around the average. With the minimum at a quarter,
    // 13/16 of the average makes the mean length the average.
    const std::size_t turn = std::size_t{parameters_.average} / 16 * 13;
    const std::uint64_t rare =
        threshold(positions_a_candidate, std::uint64_t{parameters_.average} * 4);
    const std::uint64_t frequent = threshold(positions_a_candidate * 4, parameters_.average);

    const auto scan = path_ == ChunkerPath::avx2 ? scan_avx2 : scan_scalar;
    std::size_t at = parameters_.minimum() - 1;
    while ((at = scan(window.data(), at, limit, shift)) < limit) {
        const std::uint64_t decision = keys_->decide(window.data() + at + 1 - hashed_bytes);
        if (decision < (at + 1 < turn ? rare : frequent)) {
            return at + 1;
        }
        ++at;
    }
    return limit;
}

} // namespace backstay::core
