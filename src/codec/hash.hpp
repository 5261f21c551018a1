#pragma once

#include "base/bytes.hpp"

#include <array>
#include <memory>

namespace backstay::core
{

using Digest = std::array<std::uint8_t, 32>;

Digest sha256(ByteSpan bytes);

/// For protocols that ask for it. Protects against accidents only.
std::array<std::uint8_t, 16> md5(ByteSpan bytes);

/// Incremental SHA-256. One thread at a time.
class Sha256
{
public:
    Sha256();
    ~Sha256();
    void update(ByteSpan bytes);
    /// Ends it; only the destructor may follow.
    Digest finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// HMAC-SHA256 under a fixed key whose two key blocks are hashed once, so a short message costs two
/// compressions and no allocation. Thread-safe: every call works on its own copy of the state.
class HmacSha256
{
public:
    explicit HmacSha256(ByteSpan key);
    ~HmacSha256();
    HmacSha256(HmacSha256&&) noexcept;
    HmacSha256& operator=(HmacSha256&&) noexcept;

    Digest of(ByteSpan message) const { return of(message, {}); }
    /// Of the concatenation.
    Digest of(ByteSpan head, ByteSpan tail) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
