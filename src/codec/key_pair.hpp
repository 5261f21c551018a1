#pragma once

#include "base/bytes.hpp"
#include "base/secret.hpp"

#include <array>
#include <optional>

namespace backstay::core
{

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

/// Ed25519. `private_key` is the 32-byte seed.
PublicKey signing_public_key(const Secret& private_key);
Signature sign(const Secret& private_key, ByteSpan message);
bool signature_is_good(const PublicKey& key, ByteSpan message, const Signature& signature);

/// X25519. `private_key` is the 32-byte scalar.
PublicKey agreement_public_key(const Secret& private_key);

/// Seals `plain` (keys) so that only the holder of the private half of `to` opens it: an ephemeral
/// X25519 pair, HKDF-SHA256 over the shared secret (salt: both public keys, the ephemeral first;
/// info: "backstay wrap " ‖ `context`), AES-256-GCM with a zero nonce under that single-use key and
/// `context` as associated data. Result: ephemeral public key (32) ‖ ciphertext ‖ tag (16).
/// Throws Error{damaged} if `to` is of small order.
Bytes wrap_to(const PublicKey& to, ByteSpan plain, std::string_view context);

/// Empty if `wrapped` was not made for this key and context.
std::optional<Secret> unwrap(const Secret& private_key, ByteSpan wrapped, std::string_view context);

inline constexpr std::size_t wrap_overhead = 32 + 16;

} // namespace backstay::core
