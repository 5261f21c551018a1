#pragma once

#include <cstddef>
#include <cstdint>

namespace backstay::core
{

/// The public prefilter. Position i (the last byte of a chunk, if it is cut there) is a candidate
/// if, with a = the four bytes that end at i and b = the four before them, as little-endian words,
///     (a * scan_factor_a + b * scan_factor_b) mod 2^32 >= 2^32 - 2^shift    and    a != b.
/// The second condition takes constant data and periods of 1, 2 and 4 bytes out of the game.
///
/// The factors are the first two odd words of pi's binary digits after the point (243F6A88 85A308D3
/// 13198A2E 03707344 A4093822 299F31D0 082EFA98 EC4E6C89 …): nothing up the sleeve.
inline constexpr std::uint32_t scan_factor_a = 0x85a308d3;
inline constexpr std::uint32_t scan_factor_b = 0xec4e6c89;

/// The first candidate in [from, to), or `to`. Requires: from >= 7, and `data` holds `to` bytes.
std::size_t scan_scalar(const std::uint8_t* data, std::size_t from, std::size_t to, unsigned shift);
/// The same by AVX2; only where the processor has it.
std::size_t scan_avx2(const std::uint8_t* data, std::size_t from, std::size_t to, unsigned shift);

/// AES-128 of one block under expanded keys, by AES-NI; only where the processor has it.
void aes128_encrypt_ni(const std::uint8_t* round_keys, const std::uint8_t* in, std::uint8_t* out);
/// The eleven round keys, 176 bytes, for it.
void aes128_expand_ni(const std::uint8_t* key, std::uint8_t* round_keys);

} // namespace backstay::core
