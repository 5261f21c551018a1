#pragma once

#include "codec/hash.hpp"

namespace backstay::core
{

/// What a blob holds; part of what its id is computed from, so that a file's bytes never pass for a
/// tree. The numbers are the format's.
enum class BlobKind : std::uint8_t {
    data = 1,      ///< a chunk of a stream, or a whole small one
    tree_node = 2, ///< a page of a directory
    list_node = 3, ///< a page of a content list
    record = 4,    ///< a page of a checkpoint or of a list of problems
};

/// Computes ids under the repository's id key. Immutable, thread-safe.
class BlobNamer
{
public:
    explicit BlobNamer(ByteSpan id_key) : mac_(id_key) {}
    /// HMAC-SHA256(id key, kind ‖ plain bytes).
    BlobId name(BlobKind kind, ByteSpan plain) const;

private:
    HmacSha256 mac_;
};

} // namespace backstay::core
