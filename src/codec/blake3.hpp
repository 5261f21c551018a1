#pragma once

#include "base/secret.hpp"
#include "codec/hash.hpp"

namespace backstay::core
{

/// Keyed BLAKE3 with 32 bytes of output: a MAC several times as fast as HMAC-SHA256, because the
/// leaves of its tree are hashed side by side. Immutable, thread-safe.
class KeyedBlake3
{
public:
    /// `key`: 32 bytes.
    explicit KeyedBlake3(ByteSpan key);

    Digest of(ByteSpan message) const;

private:
    Secret key_;
};

} // namespace backstay::core
