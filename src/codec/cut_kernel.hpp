#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace backstay::core
{

/// The two keys of the decision.
struct CutKeys {
    std::uint32_t nh[2][16];
    std::uint8_t aes[16];
};

/// The prefilter's constants; docs/format.md says where they come from.
inline constexpr std::uint32_t last_word_factor = 0xc97c50dd;
inline constexpr std::uint32_t earlier_word_factor = 0x8979fb1b;

/// How many bytes the decision looks at.
inline constexpr std::size_t cut_window = 64;

/// The two stages of the chunker, once for each kind of CPU. A position is the index of the last
/// byte before a possible cut; every kernel needs cut_window bytes up to and with it.
/// Immutable, thread-safe.
class CutKernel
{
public:
    virtual ~CutKernel() = default;

    /// Stage one. Writes the candidates among begin to end - 1 to `positions`, in order, and
    /// returns how many. A candidate's hash, as a signed number, is above `limit`. `positions` has
    /// room for end - begin + 1.
    virtual std::size_t find_candidates(const std::uint8_t* data, std::size_t begin,
                                        std::size_t end, std::int32_t limit,
                                        std::uint32_t* positions) const = 0;

    /// Stage two. The index of the first of `positions` whose value is below `threshold`, or
    /// `count`.
    virtual std::size_t find_cut(const std::uint8_t* data, const std::uint32_t* positions,
                                 std::size_t count, std::uint64_t threshold) const = 0;
};

std::unique_ptr<CutKernel> make_scalar_kernel(const CutKeys& keys);

/// Requires: has_avx2_kernel().
std::unique_ptr<CutKernel> make_avx2_kernel(const CutKeys& keys);

/// True if this was built for a CPU of that kind and the machine's has AVX2 and AES-NI.
bool has_avx2_kernel();

} // namespace backstay::core
