#include "codec/blob_id.hpp"

#include "codec/key_derivation.hpp"
#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace backstay::core;

TEST_CASE("a blob's id is the keyed BLAKE3 of its bytes under its kind's key")
{
    const Bytes key = seeded_bytes(1, 32);
    const Bytes plain = seeded_bytes(2, 1000);
    const Secret of_kind = hkdf(key, {}, "backstay blob ids\x02", 32);
    const BlobId id = BlobNamer(key).name(BlobKind::tree_node, plain);
    CHECK(equal(id.span(), KeyedBlake3(of_kind.span()).of(plain)));
}

TEST_CASE("ids differ by key, by kind and by content")
{
    const BlobNamer namer(seeded_bytes(1, 32));
    const BlobNamer other(seeded_bytes(2, 32));
    std::set<BlobId> ids;
    for (const BlobKind kind :
         {BlobKind::data, BlobKind::tree_node, BlobKind::list_node, BlobKind::record}) {
        for (const std::string_view content : {"", "a", "b", "\x01"}) {
            ids.insert(namer.name(kind, as_bytes(content)));
            ids.insert(other.name(kind, as_bytes(content)));
        }
    }
    CHECK(ids.size() == 4 * 4 * 2);
}
