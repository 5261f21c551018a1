#pragma once

#include "base/bytes.hpp"

#include <memory>

namespace backstay::core
{

/// How a frame's plain bytes are kept. The numbers are the format's.
enum class Encoding : std::uint8_t { raw = 0, zstd = 1 };

/// Compresses frames with one reused zstd context. One thread at a time: give each worker its own.
class Compressor
{
public:
    /// zstd's levels, -7 to 19; 0 means: keep everything raw.
    explicit Compressor(int level);
    ~Compressor();
    Compressor(Compressor&&) noexcept;

    /// The encoded form of `plain`: the front of `out` (at least encoded_bound(plain.size())
    /// bytes), or `plain` itself if it is kept raw. Data that will not shrink by at least 1/32 is
    /// recognised cheaply, from samples, and kept raw.
    struct Result {
        Encoding encoding;
        ByteSpan bytes;
    };
    Result encode(ByteSpan plain, MutableByteSpan out);

    static std::size_t encoded_bound(std::size_t plain_size);

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Decodes frames with one reused context. One thread at a time.
class Decompressor
{
public:
    Decompressor();
    ~Decompressor();
    Decompressor(Decompressor&&) noexcept;

    /// Decodes exactly `plain.size()` bytes into `plain`. False if `encoded` is not an encoding of
    /// that many bytes: what is in `plain` is then garbage. Memory is bounded by `plain`, whatever
    /// the bytes claim.
    bool decode(Encoding encoding, ByteSpan encoded, MutableByteSpan plain);

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
