#include "codec/compression.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <zstd.h>

namespace backstay::core
{

namespace
{

struct FreeCompressor {
    void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
    void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

constexpr std::size_t sample_size = 4096;
constexpr std::size_t samples = 4;

/// Whether bytes of a sample are spread so evenly that no entropy coder gains: Shannon entropy of
/// the order-0 histogram above 7.9 bits a byte (of 4 KiB of random bytes about 7.95 is seen).
bool looks_random(ByteSpan sample)
{
    std::array<std::uint32_t, 256> counts{};
    for (const std::uint8_t byte : sample) {
        ++counts[byte];
    }
    const double total = static_cast<double>(sample.size());
    double bits = 0;
    for (const std::uint32_t count : counts) {
        if (count > 0) {
            bits -= count * std::log2(count / total);
        }
    }
    constexpr double even = 7.9;
    return bits / total > even;
}

/// Samples all look random, and zstd itself, at its fastest, finds no repeats in the first one.
bool will_not_shrink(ByteSpan plain)
{
    if (plain.size() < samples * sample_size) {
        return false;
    }
    const std::size_t step = (plain.size() - sample_size) / (samples - 1);
    for (std::size_t i = 0; i < samples; ++i) {
        if (!looks_random(plain.subspan(i * step, sample_size))) {
            return false;
        }
    }
    return true;
}

} // namespace

struct Compressor::State {
    int level = 0;
    std::unique_ptr<ZSTD_CCtx, FreeCompressor> context;
};

Compressor::Compressor(int level) : state_(std::make_unique<State>())
{
    state_->level = level;
    if (level == 0) {
        return;
    }
    state_->context.reset(ZSTD_createCCtx());
    if (!state_->context) {
        throw std::bad_alloc();
    }
    ZSTD_CCtx_setParameter(state_->context.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(state_->context.get(), ZSTD_c_contentSizeFlag, 1);
    ZSTD_CCtx_setParameter(state_->context.get(), ZSTD_c_checksumFlag, 0); // the seal is the check
}

Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;

std::size_t Compressor::encoded_bound(std::size_t plain_size)
{
    return ZSTD_compressBound(plain_size);
}

Compressor::Result Compressor::encode(ByteSpan plain, MutableByteSpan out)
{
    assert(out.size() >= encoded_bound(plain.size()));
    const auto keep_raw = [&]() -> Result {
        std::copy(plain.begin(), plain.end(), out.begin());
        return {Encoding::raw, plain.size()};
    };
    if (state_->level == 0 || plain.empty() || will_not_shrink(plain)) {
        return keep_raw();
    }
    const std::size_t size =
        ZSTD_compress2(state_->context.get(), out.data(), out.size(), plain.data(), plain.size());
    if (ZSTD_isError(size) != 0) {
        throw Error(ErrorCode::internal, std::string("zstd failed: ") + ZSTD_getErrorName(size));
    }
    return size <= plain.size() - plain.size() / 32 ? Result{Encoding::zstd, size} : keep_raw();
}

struct Decompressor::State {
    std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context;
};

Decompressor::Decompressor() : state_(std::make_unique<State>())
{
    state_->context.reset(ZSTD_createDCtx());
    if (!state_->context) {
        throw std::bad_alloc();
    }
}

Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;

bool Decompressor::decode(Encoding encoding, ByteSpan encoded, MutableByteSpan plain)
{
    if (encoding == Encoding::raw) {
        if (encoded.size() != plain.size()) {
            return false;
        }
        std::copy(encoded.begin(), encoded.end(), plain.begin());
        return true;
    }
    if (encoding != Encoding::zstd) {
        return false;
    }
    const std::size_t size = ZSTD_decompressDCtx(state_->context.get(), plain.data(), plain.size(),
                                                 encoded.data(), encoded.size());
    return ZSTD_isError(size) == 0 && size == plain.size();
}

} // namespace backstay::core
