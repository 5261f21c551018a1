#include "codec/key_derivation.hpp"

#include "base/error.hpp"
#include "codec/hash.hpp"

#include <cassert>
#include <fmt/core.h>
#include <sodium.h>

namespace backstay::core
{

Secret hkdf(ByteSpan key, ByteSpan salt, std::string_view info, std::size_t size)
{
    // RFC 5869 names the steps: T(i) = HMAC(extracted, T(i-1) ‖ info ‖ i).
    assert(size <= 255 * Digest{}.size());
    Digest extracted = HmacSha256(salt).of(key);
    const HmacSha256 expand(extracted);
    wipe(extracted);

    Secret derived(size);
    const MutableByteSpan out = derived.mutable_span();
    Digest block;
    Secret input(block.size() + info.size() + 1);
    const MutableByteSpan whole = input.mutable_span();
    std::copy(info.begin(), info.end(), whole.begin() + block.size());
    for (std::size_t done = 0; done < size;) {
        ++whole.back();
        block = expand.of(done == 0 ? whole.subspan(block.size()) : whole);
        const std::size_t step = std::min(block.size(), size - done);
        std::copy_n(block.begin(), step, out.data() + done);
        std::copy(block.begin(), block.end(), whole.begin());
        done += step;
    }
    wipe(block);
    return derived;
}

Secret derive_from_passphrase(ByteSpan passphrase, ByteSpan salt, Argon2Cost cost)
{
    assert(salt.size() == crypto_pwhash_argon2id_SALTBYTES);
    constexpr std::uint32_t least_memory_kib = crypto_pwhash_argon2id_MEMLIMIT_MIN / 1024;
    if (cost.passes < 1 || cost.passes > largest_argon2_cost.passes ||
        cost.memory_kib < least_memory_kib || cost.memory_kib > largest_argon2_cost.memory_kib) {
        throw Error(ErrorCode::damaged,
                    fmt::format("the cost of the passphrase hash is out of bounds ({} passes, "
                                "{} KiB): the slot is damaged or not to be trusted",
                                cost.passes, cost.memory_kib));
    }
    if (sodium_init() < 0) {
        throw Error(ErrorCode::internal, "libsodium cannot start");
    }
    Secret key(32);
    const MutableByteSpan out = key.mutable_span();
    if (crypto_pwhash_argon2id(out.data(), out.size(),
                               reinterpret_cast<const char*>(passphrase.data()), passphrase.size(),
                               salt.data(), cost.passes, std::size_t{cost.memory_kib} * 1024,
                               crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
        throw Error(ErrorCode::no_memory,
                    fmt::format("hashing the passphrase takes {} MiB of memory, which the system "
                                "does not give",
                                cost.memory_kib / 1024));
    }
    return key;
}

} // namespace backstay::core
