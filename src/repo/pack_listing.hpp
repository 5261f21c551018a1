#pragma once

#include "format/index_segment.hpp"
#include "repo/repository.hpp"

#include <stop_token>
#include <vector>

namespace backstay::core
{

/// What a pack holds, in the form in which a segment says it.
struct PackListing {
    SegmentPack pack;
    std::vector<KeyRecord> key_records; ///< that `pack.frames` number
    std::vector<SegmentEntry> entries;  ///< of pack 0
};
PackListing list_pack(const PackId& id, std::uint64_t size, const PackDirectory& directory);

/// Throws Error{damaged} if it does not open.
PackDirectory open_pack_directory(Repository& repository, const SealedDirectory& sealed);

/// From the pack itself, of `size` bytes. Throws Error{damaged, not_found}.
PackDirectory read_pack_directory(Repository& repository, const PackId& id, std::uint64_t size,
                                  const std::stop_token& stop);

} // namespace backstay::core
