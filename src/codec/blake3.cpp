#include "codec/blake3.hpp"

#include <blake3.h>
#include <cassert>

namespace backstay::core
{

static_assert(std::tuple_size_v<Digest> == BLAKE3_OUT_LEN);

namespace
{

/// At the first use the library finds out what the processor can, and writes it down without a
/// lock: done before threads use it.
void find_processor_features()
{
    static const bool found = [] {
        blake3_hasher hasher;
        blake3_hasher_init(&hasher);
        Digest digest;
        blake3_hasher_finalize(&hasher, digest.data(), digest.size());
        return true;
    }();
    static_cast<void>(found);
}

} // namespace

KeyedBlake3::KeyedBlake3(ByteSpan key) : key_(Secret::copy_of(key))
{
    assert(key.size() == BLAKE3_KEY_LEN);
    find_processor_features();
}

Digest KeyedBlake3::of(ByteSpan message) const
{
    blake3_hasher hasher;
    blake3_hasher_init_keyed(&hasher, key_.span().data());
    blake3_hasher_update(&hasher, message.data(), message.size());
    Digest digest;
    blake3_hasher_finalize(&hasher, digest.data(), digest.size());
    return digest;
}

} // namespace backstay::core
