#include "codec/cut_kernel.hpp"

#if defined(__x86_64__)

#include "base/secret.hpp"

#include <immintrin.h>

#define BACKSTAY_AVX2 __attribute__((target("avx2,aes,bmi,popcnt")))

namespace backstay::core
{

namespace
{

BACKSTAY_AVX2 inline __m256i load(const void* from)
{
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

/// All ones in each 32-bit lane whose position is a candidate: the lanes' last words begin at
/// `last`, four bytes apart.
BACKSTAY_AVX2 inline __m256i candidates_at(const std::uint8_t* last, __m256i limit)
{
    const __m256i last_factor = _mm256_set1_epi32(static_cast<int>(last_word_factor));
    const __m256i earlier_factor = _mm256_set1_epi32(static_cast<int>(earlier_word_factor));
    const __m256i hash = _mm256_add_epi32(_mm256_mullo_epi32(load(last), last_factor),
                                          _mm256_mullo_epi32(load(last - 4), earlier_factor));
    return _mm256_cmpgt_epi32(hash, limit);
}

/// A bit for each of the 32 positions from `at` on.
BACKSTAY_AVX2 inline std::uint32_t candidate_bits(const std::uint8_t* at, __m256i limit)
{
    // Lane k of the r-th vector is position 4k + r, so its byte r is the one to keep.
    const __m256i r0 = candidates_at(at - 3, limit);
    const __m256i r1 = candidates_at(at - 2, limit);
    const __m256i r2 = candidates_at(at - 1, limit);
    const __m256i r3 = candidates_at(at, limit);
    const __m256i even = _mm256_blend_epi16(r0, r2, 0xaa);
    const __m256i odd = _mm256_blend_epi16(r1, r3, 0xaa);
    const __m256i odd_bytes = _mm256_set1_epi16(static_cast<short>(0xff00));
    return static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_blendv_epi8(even, odd, odd_bytes)));
}

/// The sums of products of NH, by lane, for one half of the window.
BACKSTAY_AVX2 inline __m256i nh_products(__m256i words, __m256i key)
{
    const __m256i sums = _mm256_add_epi32(words, key);
    return _mm256_mul_epu32(sums, _mm256_srli_epi64(sums, 32));
}

template <int Round>
BACKSTAY_AVX2 inline __m128i next_round_key(__m128i key)
{
    // FIPS 197, 5.2, in the form of Intel's white paper on AES-NI.
    const __m128i word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, Round), 0xff);
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, word);
}

constexpr int aes_rounds = 10;

class Avx2Kernel : public CutKernel
{
public:
    BACKSTAY_AVX2 explicit Avx2Kernel(const CutKeys& keys) : keys_(keys)
    {
        __m128i round[aes_rounds + 1];
        round[0] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(keys.aes));
        round[1] = next_round_key<0x01>(round[0]);
        round[2] = next_round_key<0x02>(round[1]);
        round[3] = next_round_key<0x04>(round[2]);
        round[4] = next_round_key<0x08>(round[3]);
        round[5] = next_round_key<0x10>(round[4]);
        round[6] = next_round_key<0x20>(round[5]);
        round[7] = next_round_key<0x40>(round[6]);
        round[8] = next_round_key<0x80>(round[7]);
        round[9] = next_round_key<0x1b>(round[8]);
        round[10] = next_round_key<0x36>(round[9]);
        for (int i = 0; i <= aes_rounds; ++i) {
            _mm_storeu_si128(reinterpret_cast<__m128i*>(rounds_[i]), round[i]);
        }
    }
    Avx2Kernel(const Avx2Kernel&) = delete;
    Avx2Kernel& operator=(const Avx2Kernel&) = delete;
    ~Avx2Kernel() override
    {
        wipe({reinterpret_cast<std::uint8_t*>(&keys_), sizeof keys_});
        wipe({&rounds_[0][0], sizeof rounds_});
    }

    BACKSTAY_AVX2 std::size_t find_candidates(const std::uint8_t* data, std::size_t begin,
                                              std::size_t end, std::int32_t limit,
                                              std::uint32_t* positions) const override
    {
        const __m256i limits = _mm256_set1_epi32(limit);
        std::size_t count = 0;
        std::size_t at = begin;
        for (; at + 64 <= end; at += 64) {
            const std::uint64_t low = candidate_bits(data + at, limits);
            const std::uint64_t high = candidate_bits(data + at + 32, limits);
            count = add_positions(positions, count, at, high << 32U | low);
        }
        if (at < end) {
            // The last vectors end at `end`; what they have in common with those before is dropped.
            const std::size_t left = end - at;
            const std::uint64_t high = candidate_bits(data + end - 32, limits);
            const std::uint64_t low =
                left > 32 ? candidate_bits(data + end - 64, limits) : std::uint32_t{0};
            count = add_positions(positions, count, at, (high << 32U | low) >> (64 - left));
        }
        return count;
    }

    BACKSTAY_AVX2 std::size_t find_cut(const std::uint8_t* data, const std::uint32_t* positions,
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
    /// Appends at + i for each bit i.
    BACKSTAY_AVX2 static std::size_t add_positions(std::uint32_t* positions, std::size_t count,
                                                   std::size_t at, std::uint64_t bits)
    {
        // Most often there is none or one, and a branch between these is guessed wrongly: the first
        // is written always, and counted if it is one.
        positions[count] = static_cast<std::uint32_t>(at + _tzcnt_u64(bits));
        count += bits != 0 ? 1 : 0;
        for (bits = _blsr_u64(bits); bits != 0; bits = _blsr_u64(bits)) {
            positions[count++] = static_cast<std::uint32_t>(at + _tzcnt_u64(bits));
        }
        return count;
    }

    BACKSTAY_AVX2 std::uint32_t value_at(const std::uint8_t* window) const
    {
        const __m256i first = load(window);
        const __m256i second = load(window + 32);
        const __m256i a = _mm256_add_epi64(nh_products(first, load(&keys_.nh[0][0])),
                                           nh_products(second, load(&keys_.nh[0][8])));
        const __m256i b = _mm256_add_epi64(nh_products(first, load(&keys_.nh[1][0])),
                                           nh_products(second, load(&keys_.nh[1][8])));
        const __m256i pairs =
            _mm256_add_epi64(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
        __m128i block =
            _mm_add_epi64(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
        block = _mm_xor_si128(block, round_key(0));
        for (int i = 1; i < aes_rounds; ++i) {
            block = _mm_aesenc_si128(block, round_key(i));
        }
        block = _mm_aesenclast_si128(block, round_key(aes_rounds));
        return static_cast<std::uint32_t>(_mm_cvtsi128_si32(block));
    }

    BACKSTAY_AVX2 __m128i round_key(int i) const
    {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rounds_[i]));
    }

    CutKeys keys_;
    std::uint8_t rounds_[aes_rounds + 1][16];
};

} // namespace

bool has_avx2_kernel()
{
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("aes") != 0 &&
           __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("popcnt") != 0;
}

std::unique_ptr<CutKernel> make_avx2_kernel(const CutKeys& keys)
{
    return std::make_unique<Avx2Kernel>(keys);
}

} // namespace backstay::core

#else

#include <cstdlib>

namespace backstay::core
{

bool has_avx2_kernel()
{
    return false;
}

std::unique_ptr<CutKernel> make_avx2_kernel(const CutKeys&)
{
    std::abort();
}

} // namespace backstay::core

#endif
