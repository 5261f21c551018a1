#pragma once

#include "codec/blake3.hpp"

#include <array>

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

inline constexpr std::size_t blob_kinds = 4;

/// Computes ids under the repository's id key. Immutable, thread-safe.
class BlobNamer
{
public:
    explicit BlobNamer(ByteSpan id_key);
    /// Keyed BLAKE3 of the plain bytes, under a key for each kind.
    BlobId name(BlobKind kind, ByteSpan plain) const;

private:
    std::array<KeyedBlake3, blob_kinds> by_kind_;
};

} // namespace backstay::core
