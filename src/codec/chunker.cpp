#include "codec/chunker.hpp"

#include "base/error.hpp"
#include "codec/cut_kernel.hpp"
#include "codec/key_derivation.hpp"

#include <cassert>
#include <fmt/core.h>
#include <limits>

namespace backstay::core
{

namespace
{

constexpr std::uint32_t least_sparse_average = 16 * 1024;

// Candidates are collected for so many positions before they are decided. What was collected behind
// the cut is lost, so small chunks want small blocks.
constexpr std::size_t largest_block = 4096;
constexpr std::uint32_t blocks_an_average = 8;

CutKeys derive_keys(ByteSpan cut_key)
{
    const Secret derived = hkdf(cut_key, {}, "backstay chunker", sizeof(CutKeys));
    const std::uint8_t* from = derived.span().data();
    CutKeys keys;
    for (auto& half : keys.nh) {
        for (std::uint32_t& word : half) {
            word = static_cast<std::uint32_t>(from[0]) | static_cast<std::uint32_t>(from[1]) << 8U |
                   static_cast<std::uint32_t>(from[2]) << 16U |
                   static_cast<std::uint32_t>(from[3]) << 24U;
            from += sizeof word;
        }
    }
    std::memcpy(keys.aes, from, sizeof keys.aes);
    return keys;
}

std::unique_ptr<CutKernel> make_kernel(ByteSpan cut_key, ChunkerPath path)
{
    CutKeys keys = derive_keys(cut_key);
    const bool wide =
        path == ChunkerPath::avx2 || (path == ChunkerPath::fastest && has_avx2_kernel());
    std::unique_ptr<CutKernel> kernel = wide ? make_avx2_kernel(keys) : make_scalar_kernel(keys);
    wipe({reinterpret_cast<std::uint8_t*>(&keys), sizeof keys});
    return kernel;
}

bool same_window(const std::uint8_t* a, const std::uint8_t* b)
{
    return std::memcmp(a + 1 - cut_window, b + 1 - cut_window, cut_window) == 0;
}

/// How far behind `at` the bytes go on repeating those `distance` before them: the first position
/// that differs, or `end`.
std::size_t end_of_repetition(const std::uint8_t* data, std::size_t at, std::size_t distance,
                              std::size_t end)
{
    std::uint64_t now = 0;
    std::uint64_t before = 0;
    for (; at + sizeof now <= end; at += sizeof now) {
        std::memcpy(&now, data + at, sizeof now);
        std::memcpy(&before, data + at - distance, sizeof before);
        if (now != before) {
            break;
        }
    }
    while (at < end && data[at] == data[at - distance]) {
        ++at;
    }
    return at;
}

/// Where the search goes on behind a block whose candidates are many and cut nowhere. If the last
/// of them has the window of an earlier one, the data repeats, and as long as it does every window
/// is one of those between the two, which are refused already.
std::size_t skip_repetition(const std::uint8_t* data, std::span<const std::uint32_t> positions,
                            std::size_t end)
{
    const std::size_t last = positions.back();
    for (std::size_t i = positions.size() - 1; i-- > 0;) {
        if (same_window(data + last, data + positions[i])) {
            return end_of_repetition(data, last + 1, last - positions[i], end);
        }
    }
    return 0;
}

} // namespace

Chunker::Chunker(ByteSpan cut_key, ChunkerParameters parameters, ChunkerPath path)
    : parameters_(parameters), sparsity_(parameters.average < least_sparse_average ? 6 : 8),
      target_(std::size_t{parameters.average} * 13 / 16)
{
    assert(cut_key.size() == 32);
    if (parameters.average < least_chunk_average || parameters.average > largest_chunk_average) {
        throw Error(ErrorCode::invalid,
                    fmt::format("an average chunk of {} bytes is out of bounds: {} to {} are "
                                "possible",
                                parameters.average, least_chunk_average, largest_chunk_average));
    }
    if (!supported(path)) {
        throw Error(ErrorCode::unsupported, "this machine has no AVX2 or no AES instructions");
    }
    const std::uint64_t base = (std::uint64_t{1} << (32 + sparsity_)) / parameters.average;
    below_target_ = base / 4;
    beyond_target_ = base * 4;
    kernel_ = make_kernel(cut_key, path);
}

Chunker::~Chunker() = default;

bool Chunker::supported(ChunkerPath path)
{
    return path != ChunkerPath::avx2 || has_avx2_kernel();
}

std::size_t Chunker::next_cut(ByteSpan window, bool at_end) const
{
    assert(at_end || window.size() >= parameters_.maximum());
    const std::size_t longest = std::min<std::size_t>(window.size(), parameters_.maximum());
    const std::size_t shortest = parameters_.minimum();
    const std::size_t target = std::min(target_, longest);
    if (longest <= shortest) {
        return longest;
    }
    // A cut behind position i makes a chunk of i + 1 bytes; one of `longest` needs no reason.
    std::size_t cut = first_cut(window.data(), shortest - 1, target - 1, below_target_);
    if (cut == 0) {
        cut = first_cut(window.data(), target - 1, longest - 1, beyond_target_);
    }
    return cut != 0 ? cut : longest;
}

/// The length of the chunk that the first of positions `begin` to `end` - 1 ends; 0 if none does.
std::size_t Chunker::first_cut(const std::uint8_t* data, std::size_t begin, std::size_t end,
                               std::uint64_t threshold) const
{
    const std::int32_t limit =
        std::numeric_limits<std::int32_t>::max() - (std::int32_t{1} << (32 - sparsity_));
    std::array<std::uint32_t, largest_block + 1> positions;
    const std::size_t block =
        std::min<std::size_t>(largest_block, parameters_.average / blocks_an_average);
    while (begin < end) {
        const std::size_t stop = std::min(begin + block, end);
        const std::size_t count =
            kernel_->find_candidates(data, begin, stop, limit, positions.data());
        const std::size_t first = kernel_->find_cut(data, positions.data(), count, threshold);
        if (first < count) {
            return positions[first] + std::size_t{1};
        }
        const bool many = count > 4 * (stop - begin) >> sparsity_ && count > 1;
        begin = many ? std::max(stop, skip_repetition(data, {positions.data(), count}, end)) : stop;
    }
    return 0;
}

} // namespace backstay::core
