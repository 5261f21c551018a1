#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <memory>

namespace backstay::core
{

class CutKernel;

/// How a stream is cut. Part of the format: another value gives other cuts, hence no deduplication
/// against the old.
struct ChunkerParameters {
    std::uint32_t average = 64 * 1024;
    std::uint32_t minimum() const { return average / 4; }
    std::uint32_t maximum() const { return average * 4; }
};

inline constexpr std::uint32_t least_chunk_average = 1024;
inline constexpr std::uint32_t largest_chunk_average = 64 * 1024 * 1024;

/// Which of the (equal) implementations to use.
enum class ChunkerPath { fastest, scalar, avx2 };

/// Cuts a stream by its content in two stages: a public prefilter without table or state picks
/// about one position in 256 (one in 64 below an average of 16 KiB), and there a keyed universal
/// hash (NH over the 64 bytes that end at the position) finished by AES-128 decides. Cuts depend on
/// the bytes, the key and the parameters only: never on the CPU, nor on how the stream arrives.
/// docs/format.md has the constants and docs/threat-model.md the argument.
///
/// Immutable once made; thread-safe.
class Chunker
{
public:
    /// `cut_key`: 32 bytes, from which NH's and AES's keys are derived. Throws Error{invalid} if
    /// the average is out of bounds, Error{unsupported} if the machine cannot run `path`.
    Chunker(ByteSpan cut_key, ChunkerParameters parameters,
            ChunkerPath path = ChunkerPath::fastest);
    ~Chunker();

    const ChunkerParameters& parameters() const { return parameters_; }

    /// The length of the first chunk of `window`, which starts where a chunk starts. `at_end` says
    /// that the stream ends where the window ends; otherwise the window holds at least maximum()
    /// bytes. At least 1, unless the window is empty.
    std::size_t next_cut(ByteSpan window, bool at_end) const;

    /// True if the machine can run `path`.
    static bool supported(ChunkerPath path);

private:
    std::size_t first_cut(const std::uint8_t* data, std::size_t begin, std::size_t end,
                          std::uint64_t threshold) const;

    ChunkerParameters parameters_;
    std::unique_ptr<CutKernel> kernel_;
    unsigned sparsity_;           ///< one position in 2^sparsity_ is a candidate
    std::size_t target_;          ///< chunks shorter than this are cut more rarely
    std::uint64_t below_target_;  ///< the threshold for them
    std::uint64_t beyond_target_; ///< and for the others
};

} // namespace backstay::core
