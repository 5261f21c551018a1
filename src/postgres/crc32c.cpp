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

} // namespace

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
