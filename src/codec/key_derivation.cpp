#include "codec/key_derivation.hpp"

#include "base/error.hpp"
#include "codec/hash.hpp"

#include <algorithm>
#include <cassert>
#include <fmt/format.h>
#include <sodium.h>

namespace backstay::core
{

Secret hkdf(ByteSpan key, ByteSpan salt, std::string_view info, std::size_t size)
{
    assert(size <= 255 * sizeof(Digest));
    Digest extracted = HmacSha256(salt).of(key);
    const HmacSha256 expand(extracted);
    Secret out(size);
    Bytes message;
    Digest last{};
    std::size_t done = 0;
    for (std::uint8_t round = 1; done < size; ++round) {
        message.assign(last.begin(), round == 1 ? last.begin() : last.end());
        append(message, as_bytes(info));
        message.push_back(round);
        last = expand.of(message);
        const std::size_t part = std::min(last.size(), size - done);
        std::memcpy(out.mutable_span().data() + done, last.data(), part);
        done += part;
    }
    wipe(message);
    wipe(last);
    wipe(extracted);
    return out;
}

Secret derive_from_passphrase(ByteSpan passphrase, ByteSpan salt, Argon2Cost cost)
{
    const bool sane = cost.passes >= 1 && cost.passes <= largest_argon2_cost.passes &&
                      cost.memory_kib >= 8 && cost.memory_kib <= largest_argon2_cost.memory_kib;
    if (!sane || salt.size() != crypto_pwhash_SALTBYTES) {
        throw Error(ErrorCode::damaged,
                    fmt::format("the key's Argon2id cost ({} passes, {} KiB) is out of bounds",
                                cost.passes, cost.memory_kib));
    }
    Secret out(32);
    const int failed = crypto_pwhash(
        out.mutable_span().data(), 32, reinterpret_cast<const char*>(passphrase.data()),
        passphrase.size(), salt.data(), cost.passes, std::size_t{cost.memory_kib} * 1024,
        crypto_pwhash_ALG_ARGON2ID13);
    if (failed != 0) {
        throw Error(ErrorCode::no_memory,
                    fmt::format("there is no memory for Argon2id: it needs {} MiB",
                                cost.memory_kib / 1024));
    }
    return out;
}

} // namespace backstay::core
