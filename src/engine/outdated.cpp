#include "engine/outdated.hpp"

#include <algorithm>

namespace backstay::core
{

bool is_outdated(Repository& repository, const BlobIndex& index, const Condemned& condemned,
                 const SnapshotList& list, const std::stop_token& stop)
{
    // Who asks has told of damaged segments, or ended for them; here they are left out, as there.
    std::vector<std::string> damaged;
    const auto now = BlobIndex::load(repository, condemned, Freshness::fresh, stop, &damaged);
    if (now->segments() != index.segments()) {
        return true;
    }
    return std::any_of(list.snapshots.begin(), list.snapshots.end(), [&](const Snapshot& snapshot) {
        return !snapshot_counts(repository, snapshot.record.id, stop);
    });
}

} // namespace backstay::core
