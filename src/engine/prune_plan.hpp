#pragma once

#include "engine/marks.hpp"
#include "engine/prune.hpp"
#include "repo/blob_index.hpp"

#include <cstdint>
#include <vector>

namespace backstay::core
{

/// What is used of a pack, by the index and the marks.
struct PackUse {
    PackId id{};
    std::uint64_t size = 0;
    std::uint64_t used = 0; ///< stored bytes, each blob with its share of its frame
    std::uint64_t used_blobs = 0;
    std::uint64_t unused_blobs = 0;
    bool condemned = false; ///< by an earlier collection
    bool metadata = false;
    bool archived = false; ///< cannot be read, and so not be repacked
    std::uint64_t unused() const { return size - std::min(size, used); }
};

/// A collection decided: a plain value.
struct PrunePlan {
    std::vector<PackUse> remove;   ///< nothing in them is used
    std::vector<PackUse> repack;   ///< what is used of them is copied
    std::vector<PackId> unindexed; ///< nobody's, and no live session's
    std::uint64_t unindexed_bytes = 0;
    std::uint64_t total_bytes = 0; ///< of all packs now
    std::uint64_t unused_left = 0; ///< afterwards
    bool empty() const { return remove.empty() && repack.empty() && unindexed.empty(); }
};

/// Use of every pack of the index, from marks over its ordinals.
std::vector<PackUse> measure_packs(const BlobIndex& index, const Marks& marks);

/// Packs without anything used go; of the others, the most wasteful that can be read are repacked
/// until what is unused is within the limits.
PrunePlan plan_prune(const std::vector<PackUse>& packs, const PruneOptions& options);

} // namespace backstay::core
