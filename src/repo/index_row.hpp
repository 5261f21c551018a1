#pragma once

#include "format/pack.hpp"

#include <compare>
#include <cstdint>

namespace backstay::core
{

/// Where a blob lies, by numbers that the index that gave it understands.
struct BlobPlace {
    std::uint32_t pack = 0;  ///< BlobIndex::pack()
    std::uint32_t frame = 0; ///< of the pack
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    BlobKind kind = BlobKind::data;
    auto operator<=>(const BlobPlace&) const = default;
};

/// A blob and one of its places. Sorted by id, then place.
struct IndexRow {
    BlobId id{};
    BlobPlace place;
    auto operator<=>(const IndexRow&) const = default;
};

} // namespace backstay::core
