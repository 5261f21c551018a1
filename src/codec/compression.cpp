#include "codec/compression.hpp"

#include "base/error.hpp"

#include <cassert>
#include <fmt/core.h>
#include <new>
#include <zstd.h>

namespace backstay::core
{

namespace
{

struct FreeCompression {
    void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
};
using CompressionContext = std::unique_ptr<ZSTD_CCtx, FreeCompression>;

CompressionContext new_context(int level)
{
    CompressionContext context{ZSTD_createCCtx()};
    if (!context) {
        throw std::bad_alloc();
    }
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
    return context;
}

/// The largest size at which an encoding is worth having: 1/32 is gained, one byte at least.
std::size_t worthwhile_size(std::size_t plain_size)
{
    return plain_size - (plain_size + 31) / 32;
}

/// 0 if it does not fit into `out`.
std::size_t compress(ZSTD_CCtx* context, ByteSpan plain, MutableByteSpan out)
{
    const std::size_t size =
        ZSTD_compress2(context, out.data(), out.size(), plain.data(), plain.size());
    return ZSTD_isError(size) != 0U ? 0 : size;
}

// Below this, compressing costs about what the test does.
constexpr std::size_t least_tested = 32 * KiB;
constexpr std::size_t sample_count = 32;
constexpr std::size_t sample_size = 256;
constexpr std::size_t probe_size = 16 * KiB;

/// True if the bytes at some places of `plain` are spread so evenly that their frequencies alone
/// save nothing. The sum of the squared counts of n even bytes is about n + n²/256 (a standard
/// deviation of 0.3 % at n = 8 Ki); at 7.75 bits a byte, the 1/32 that matters, it is at least
/// 15 % above.
bool looks_even(ByteSpan plain)
{
    std::array<std::uint32_t, 256> counts{};
    const std::size_t stride = (plain.size() - sample_size) / (sample_count - 1);
    for (std::size_t sample = 0; sample < sample_count; ++sample) {
        for (const std::uint8_t byte : plain.subspan(sample * stride, sample_size)) {
            ++counts[byte];
        }
    }
    std::uint64_t squares = 0;
    for (const std::uint64_t count : counts) {
        squares += count * count;
    }
    constexpr std::uint64_t n = sample_count * sample_size;
    constexpr std::uint64_t even = n + n * n / 256;
    return squares < even + even / 16;
}

} // namespace

struct Compressor::State {
    int level;
    CompressionContext context;
    CompressionContext probe; ///< at level 1, for a sample
    std::array<std::uint8_t, probe_size> sample_out;

    /// Judges from samples. Even bytes may still repeat, so a stretch of them is tried.
    bool is_incompressible(ByteSpan plain)
    {
        if (level < 1 || plain.size() < least_tested || !looks_even(plain)) {
            return false;
        }
        const ByteSpan stretch = plain.subspan((plain.size() - probe_size) / 2, probe_size);
        const MutableByteSpan room = MutableByteSpan(sample_out).first(worthwhile_size(probe_size));
        return compress(probe.get(), stretch, room) == 0;
    }
};

Compressor::Compressor(int level) : state_(std::make_unique<State>())
{
    if (level < -7 || level > 19) {
        throw Error(ErrorCode::invalid,
                    fmt::format("there is no compression level {}: take one from -7 to 19, or 0 "
                                "for none",
                                level),
                    "compression");
    }
    state_->level = level;
    state_->context = new_context(level);
    state_->probe = new_context(1);
}

Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;

std::size_t Compressor::encoded_bound(std::size_t plain_size)
{
    return plain_size;
}

Compressor::Result Compressor::encode(ByteSpan plain, MutableByteSpan out)
{
    assert(out.size() >= encoded_bound(plain.size()));
    if (state_->level != 0 && !plain.empty() && !state_->is_incompressible(plain)) {
        // zstd gives up as soon as the room for what is worthwhile is spent.
        const std::size_t size =
            compress(state_->context.get(), plain, out.first(worthwhile_size(plain.size())));
        if (size != 0) {
            return {Encoding::zstd, out.first(size)};
        }
    }
    return {Encoding::raw, plain};
}

struct Decompressor::State {
    struct Free {
        void operator()(ZSTD_DCtx* old) const noexcept { ZSTD_freeDCtx(old); }
    };
    std::unique_ptr<ZSTD_DCtx, Free> context{ZSTD_createDCtx()};
};

Decompressor::Decompressor() : state_(std::make_unique<State>())
{
    if (!state_->context) {
        throw std::bad_alloc();
    }
}

Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;

namespace
{

/// True if `encoded` is one zstd frame, whole, of `size` bytes by its own header: zstd itself would
/// also take several, and frames to be skipped.
bool is_one_frame_of(ByteSpan encoded, std::size_t size)
{
    constexpr std::array<std::uint8_t, 4> magic{0x28, 0xb5, 0x2f, 0xfd};
    return encoded.size() > magic.size() && equal(encoded.first(magic.size()), magic) &&
           ZSTD_getFrameContentSize(encoded.data(), encoded.size()) == size &&
           ZSTD_findFrameCompressedSize(encoded.data(), encoded.size()) == encoded.size();
}

} // namespace

bool Decompressor::decode(Encoding encoding, ByteSpan encoded, MutableByteSpan plain)
{
    if (encoding == Encoding::raw) {
        if (encoded.size() != plain.size()) {
            return false;
        }
        std::copy(encoded.begin(), encoded.end(), plain.begin());
        return true;
    }
    // In one call zstd decodes straight into `plain` and never allocates the window that the header
    // asks for.
    return encoding == Encoding::zstd && is_one_frame_of(encoded, plain.size()) &&
           ZSTD_decompressDCtx(state_->context.get(), plain.data(), plain.size(), encoded.data(),
                               encoded.size()) == plain.size();
}

} // namespace backstay::core
