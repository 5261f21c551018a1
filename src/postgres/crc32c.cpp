#include "postgres/crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace backstay::core
{

namespace
{

constexpr std::uint32_t polynomial = 0x82F63B78; // RFC 3720, bits reversed

constexpr std::array<std::uint32_t, 256> make_table()
{
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value >> 1) ^ ((value & 1) != 0 ? polynomial : 0);
        }
        table[byte] = value;
    }
    return table;
}

constexpr std::array<std::uint32_t, 256> table = make_table();

std::uint32_t by_table(std::uint32_t state, ByteSpan bytes)
{
    for (const std::uint8_t byte : bytes) {
        state = table[(state ^ byte) & 0xFF] ^ (state >> 8);
    }
    return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t state, ByteSpan bytes)
{
    std::uint64_t wide = state;
    while (bytes.size() >= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data(), sizeof word);
        wide = _mm_crc32_u64(wide, word);
        bytes = bytes.subspan(sizeof word);
    }
    state = static_cast<std::uint32_t>(wide);
    for (const std::uint8_t byte : bytes) {
        state = _mm_crc32_u8(state, byte);
    }
    return state;
}
#endif

/// Sums are polynomials over GF(2) modulo the CRC's, x^0 in the highest bit.
constexpr std::uint32_t one = 0x80000000;

constexpr std::uint32_t product(std::uint32_t a, std::uint32_t b)
{
    std::uint32_t result = 0;
    for (std::uint32_t bit = one; bit != 0; bit >>= 1) {
        if ((a & bit) != 0) {
            result ^= b;
        }
        b = (b >> 1) ^ ((b & 1) != 0 ? polynomial : 0);
    }
    return result;
}

/// The polynomial is x+1 times a primitive one of degree 31, so x to this power is 1 again.
constexpr std::uint64_t order_of_x = 0x7FFFFFFF;

/// x to the powers 1, 2, 4, 8…
constexpr std::array<std::uint32_t, 31> make_powers()
{
    std::array<std::uint32_t, 31> powers{};
    powers[0] = one >> 1;
    for (std::size_t i = 1; i < powers.size(); ++i) {
        powers[i] = product(powers[i - 1], powers[i - 1]);
    }
    return powers;
}

constexpr std::array<std::uint32_t, 31> powers = make_powers();

std::uint32_t times_x_to(std::uint32_t sum, std::uint64_t exponent)
{
    for (std::size_t i = 0; exponent != 0; ++i, exponent >>= 1) {
        if ((exponent & 1) != 0) {
            sum = product(powers[i], sum);
        }
    }
    return sum;
}

std::uint64_t bits_modulo_order(std::uint64_t bytes)
{
    return bytes % order_of_x * 8 % order_of_x;
}

} // namespace

std::uint32_t crc32c_shift(std::uint32_t sum, std::uint64_t bytes)
{
    return times_x_to(sum, bits_modulo_order(bytes));
}

std::uint32_t crc32c_unshift(std::uint32_t sum, std::uint64_t bytes)
{
    return times_x_to(sum, order_of_x - bits_modulo_order(bytes));
}

void Crc32c::update(ByteSpan bytes)
{
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) {
        state_ = by_instruction(state_, bytes);
        return;
    }
#endif
    state_ = by_table(state_, bytes);
}

} // namespace backstay::core
