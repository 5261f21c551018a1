#pragma once

#include "base/bytes.hpp"
#include "base/secret.hpp"

#include <cstdint>

namespace backstay::core
{

/// HKDF-SHA256 (RFC 5869).
Secret hkdf(ByteSpan key, ByteSpan salt, std::string_view info, std::size_t size);

/// Argon2id's cost. Default: the second recommendation of RFC 9106 with one lane (libsodium has no
/// more): 64 MiB, three passes.
struct Argon2Cost {
    std::uint32_t passes = 3;
    std::uint32_t memory_kib = 64 * 1024;
};

/// The largest cost accepted from a repository, so that a hostile one cannot exhaust the machine.
inline constexpr Argon2Cost largest_argon2_cost{16, 1024 * 1024};

/// Argon2id, 32 bytes out. `salt`: 16 bytes. Throws Error{no_memory}; Error{damaged} if `cost` is
/// out of bounds.
Secret derive_from_passphrase(ByteSpan passphrase, ByteSpan salt, Argon2Cost cost);

} // namespace backstay::core
