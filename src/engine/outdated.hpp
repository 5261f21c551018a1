#pragma once

#include "repo/blob_index.hpp"
#include "repo/condemned.hpp"
#include "repo/snapshot_catalog.hpp"

#include <stop_token>

namespace backstay::core
{

/// Whether others have changed what was read: the list of segments is another now, or one of the
/// snapshots does not count any more. Only where nothing has changed is a blob that is not there
/// lost (protocol.md, "Reader", 2).
bool is_outdated(Repository& repository, const BlobIndex& index, const Condemned& condemned,
                 const SnapshotList& list, const std::stop_token& stop);

} // namespace backstay::core
