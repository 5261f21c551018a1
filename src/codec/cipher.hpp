#pragma once

#include "base/bytes.hpp"

#include <array>
#include <memory>

namespace backstay::core
{

using Nonce = std::array<std::uint8_t, 12>;
inline constexpr std::size_t seal_overhead = 16; ///< GCM's tag, behind the ciphertext

/// AES-256-GCM under one key (OpenSSL). Keeps its context and key schedule between calls.
/// One thread at a time: give each worker its own.
class Cipher
{
public:
    /// `key`: 32 bytes; copied, and wiped in the end.
    explicit Cipher(ByteSpan key);
    ~Cipher();
    Cipher(Cipher&&) noexcept;
    Cipher& operator=(Cipher&&) noexcept;

    /// Writes plain.size() + seal_overhead bytes to `out`. `out` may begin where `plain` begins (in
    /// place). A nonce must never serve twice under one key with other bytes: the caller sees to
    /// that.
    void seal(const Nonce& nonce, ByteSpan associated, ByteSpan plain, MutableByteSpan out);

    /// Writes sealed.size() - seal_overhead bytes to `out` (in place is fine). False if the bytes
    /// are not what was sealed under this key, nonce and associated data: `out` is then zeroed.
    bool open(const Nonce& nonce, ByteSpan associated, ByteSpan sealed, MutableByteSpan out);

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
