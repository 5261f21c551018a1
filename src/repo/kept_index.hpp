#pragma once

#include "base/file.hpp"
#include "base/secret.hpp"
#include "format/index_segment.hpp"
#include "repo/repository.hpp"
#include "repo/row_file.hpp"

#include <optional>
#include <vector>

namespace backstay::core
{

/// The footer of a segment, encoded, without its blocks.
struct KeptSegment {
    SegmentId id{};
    Bytes footer;
};

/// The sorted index that an earlier process left in the cache, so that opening a repository again
/// reads no segment and sorts nothing. Sealed under a key of its own, derived as for segments: who
/// can write to the cache can take it away, or put an older one there, which stands for other
/// segments; not make one.
struct KeptIndex {
    FileDescriptor file;
    Secret key;
    std::uint64_t rows = 0; ///< of the file; not read yet
    std::vector<KeptSegment> segments;
};

/// A new key for rows that are to be kept, and how it is found again.
struct KeptIndexKey {
    KeyRecord record;
    Secret key;
};
KeptIndexKey new_kept_index_key(const KeyChain& keys);

/// None if there is none, if it does not open for this slot and the newest keyring, or if it stands
/// for a segment that is not among `listed` (sorted): what a collection replaced is not known from
/// it.
std::optional<KeptIndex> read_kept_index(Repository& repository,
                                         const std::vector<SegmentId>& listed);

/// Keeps `rows`, which were written under `key`. Best effort.
void keep_index(Repository& repository, const KeptIndexKey& key, const RowFile& rows,
                const std::vector<KeptSegment>& segments);

} // namespace backstay::core
