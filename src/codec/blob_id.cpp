#include "codec/blob_id.hpp"

#include "codec/key_derivation.hpp"

#include <cassert>
#include <string>

namespace backstay::core
{

namespace
{

KeyedBlake3 hash_for(ByteSpan id_key, BlobKind kind)
{
    std::string info = "backstay blob ids";
    info.push_back(static_cast<char>(kind));
    return KeyedBlake3(hkdf(id_key, {}, info, 32).span());
}

} // namespace

BlobNamer::BlobNamer(ByteSpan id_key)
    : by_kind_{hash_for(id_key, BlobKind::data), hash_for(id_key, BlobKind::tree_node),
               hash_for(id_key, BlobKind::list_node), hash_for(id_key, BlobKind::record)}
{
}

BlobId BlobNamer::name(BlobKind kind, ByteSpan plain) const
{
    const auto number = static_cast<std::size_t>(kind);
    assert(number >= 1 && number <= blob_kinds);
    return BlobId{by_kind_[number - 1].of(plain)};
}

} // namespace backstay::core
