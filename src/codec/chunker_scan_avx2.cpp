// Compiled for every x86-64 and called only where the processor has the instructions: no standard
// header may be included here, or its inline functions could be compiled with them for everybody.
#include "codec/chunker_scan.hpp"

#include <immintrin.h>

namespace backstay::core
{

namespace
{

/// Which of the positions p, p+4, … p+28 are candidates.
__attribute__((target("avx2"))) inline int candidates(const std::uint8_t* p, __m256i factor_a,
                                                      __m256i factor_b, __m128i shift)
{
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p - 3));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p - 7));
    const __m256i sum =
        _mm256_add_epi32(_mm256_mullo_epi32(a, factor_a), _mm256_mullo_epi32(b, factor_b));
    // At least 2^32 - 2^shift: all bits from `shift` up are ones.
    const __m256i high = _mm256_sra_epi32(sum, shift);
    const __m256i hit = _mm256_andnot_si256(_mm256_cmpeq_epi32(a, b),
                                            _mm256_cmpeq_epi32(high, _mm256_set1_epi32(-1)));
    return _mm256_movemask_ps(_mm256_castsi256_ps(hit));
}

} // namespace

__attribute__((target("avx2"))) std::size_t scan_avx2(const std::uint8_t* data, std::size_t from,
                                                      std::size_t to, unsigned shift)
{
    const __m256i factor_a = _mm256_set1_epi32(static_cast<int>(scan_factor_a));
    const __m256i factor_b = _mm256_set1_epi32(static_cast<int>(scan_factor_b));
    const __m128i count = _mm_cvtsi32_si128(static_cast<int>(shift));
    // A block of 32 positions, four phases of eight; the last load of a block ends at its
    // position 31.
    while (from + 32 <= to) {
        const std::uint8_t* p = data + from;
        const int phase0 = candidates(p, factor_a, factor_b, count);
        const int phase1 = candidates(p + 1, factor_a, factor_b, count);
        const int phase2 = candidates(p + 2, factor_a, factor_b, count);
        const int phase3 = candidates(p + 3, factor_a, factor_b, count);
        if ((phase0 | phase1 | phase2 | phase3) != 0) {
            for (int j = 0; j < 8; ++j) {
                const int at = ((phase0 >> j) & 1) | ((phase1 >> j) & 1) << 1 |
                               ((phase2 >> j) & 1) << 2 | ((phase3 >> j) & 1) << 3;
                if (at != 0) {
                    return from + static_cast<std::size_t>(
                                      4 * j + __builtin_ctz(static_cast<unsigned>(at)));
                }
            }
        }
        from += 32;
    }
    return scan_scalar(data, from, to, shift);
}

__attribute__((target("aes,sse2"))) void
aes128_encrypt_ni(const std::uint8_t* round_keys, const std::uint8_t* in, std::uint8_t* out)
{
    const auto* keys = reinterpret_cast<const __m128i*>(round_keys);
    __m128i block =
        _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)), _mm_loadu_si128(keys));
    for (int round = 1; round < 10; ++round) {
        block = _mm_aesenc_si128(block, _mm_loadu_si128(keys + round));
    }
    block = _mm_aesenclast_si128(block, _mm_loadu_si128(keys + 10));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), block);
}

namespace
{

__attribute__((target("aes,sse2"))) inline __m128i next_round_key(__m128i key, __m128i assist)
{
    assist = _mm_shuffle_epi32(assist, 0xff);
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    return _mm_xor_si128(key, assist);
}

} // namespace

__attribute__((target("aes,sse2"))) void aes128_expand_ni(const std::uint8_t* key,
                                                          std::uint8_t* round_keys)
{
    auto* keys = reinterpret_cast<__m128i*>(round_keys);
    __m128i at = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key));
    _mm_storeu_si128(keys, at);
    // The round constant must be an immediate.
#define BACKSTAY_ROUND(number, constant)                                                           \
    at = next_round_key(at, _mm_aeskeygenassist_si128(at, constant));                              \
    _mm_storeu_si128(keys + (number), at)
    BACKSTAY_ROUND(1, 0x01);
    BACKSTAY_ROUND(2, 0x02);
    BACKSTAY_ROUND(3, 0x04);
    BACKSTAY_ROUND(4, 0x08);
    BACKSTAY_ROUND(5, 0x10);
    BACKSTAY_ROUND(6, 0x20);
    BACKSTAY_ROUND(7, 0x40);
    BACKSTAY_ROUND(8, 0x80);
    BACKSTAY_ROUND(9, 0x1b);
    BACKSTAY_ROUND(10, 0x36);
#undef BACKSTAY_ROUND
}

} // namespace backstay::core
