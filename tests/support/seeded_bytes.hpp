#pragma once

#include "base/bytes.hpp"

#include <string_view>

namespace backstay::core
{

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed, everywhere.
class SeededNumbers
{
public:
    explicit SeededNumbers(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next()
    {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }

    /// 0 to `end` - 1.
    std::uint64_t below(std::uint64_t end) { return next() % end; }

private:
    std::uint64_t state_;
};

/// Incompressible.
inline Bytes seeded_bytes(std::uint64_t seed, std::size_t size)
{
    SeededNumbers numbers(seed);
    Bytes bytes(size);
    for (std::size_t at = 0; at < size; at += 8) {
        const std::uint64_t number = numbers.next();
        std::memcpy(bytes.data() + at, &number, std::min<std::size_t>(8, size - at));
    }
    return bytes;
}

/// Words and lines: shrinks to about a third.
inline Bytes seeded_text(std::uint64_t seed, std::size_t size)
{
    constexpr std::string_view syllables[] = {"ba", "ck", "st", "ay", "re", "po", "si", "to",
                                              "ry", "in", "de", "x ", "e ", "an", "d ", "s, "};
    SeededNumbers numbers(seed);
    Bytes bytes;
    bytes.reserve(size + 64);
    while (bytes.size() < size) {
        std::uint64_t number = numbers.next();
        for (int i = 0; i < 15; ++i) {
            append(bytes, as_bytes(syllables[number & 15U]));
            number >>= 4U;
        }
        append(bytes, as_bytes(number == 0 ? ".\n" : " "));
    }
    bytes.resize(size);
    return bytes;
}

} // namespace backstay::core
