#pragma once

#include "repo/snapshot_catalog.hpp"

#include <map>
#include <string>
#include <vector>

namespace backstay::core
{

/// Segments that are missing between others of one timeline.
struct LogGap {
    std::string system_id;
    std::string first; ///< name of the first that is missing
    std::string last;
    bool ends_recovery = false; ///< no physical backup begins behind it
};
std::vector<LogGap> log_gaps(const SnapshotList& list);

/// Of snapshots of kind "log": those that no physical backup among the kept ones needs any more,
/// because it ended before the oldest of them of the same system began. `kept` tells for each
/// snapshot of the list whether it stays. Logs of systems without a kept backup stay.
std::vector<const Snapshot*> unneeded_logs(const SnapshotList& list, const std::vector<bool>& kept);

/// Which files of the log physical backups need: those from the oldest one's begin on, whatever the
/// timeline, and all histories.
class LogNeed
{
public:
    /// Of the snapshots of the list for which `kept` is true.
    LogNeed(const SnapshotList& list, const std::vector<bool>& kept);

    /// A physical backup of this system is kept.
    bool knows(const std::string& system_id) const;
    /// True, too, for systems without one: nothing is known of what may come.
    bool needs(const std::string& system_id, const std::string& file) const;

private:
    std::map<std::string, std::string> from_; ///< by system, a segment's name without the timeline
};

} // namespace backstay::core
