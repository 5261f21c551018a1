#pragma once

#include "base/clock.hpp"
#include "repo/snapshot_catalog.hpp"

#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// What to keep; every rule that is 0 or empty keeps nothing by itself. "-1": all ("unlimited").
struct RetentionPolicy {
    int last = 0, hourly = 0, daily = 0, weekly = 0, monthly = 0, quarterly = 0, yearly = 0;
    std::optional<Duration> within, within_hourly, within_daily, within_weekly, within_monthly,
        within_quarterly, within_yearly;
    std::vector<std::string> tags; ///< each may be "a,b": both
    std::vector<std::string> group_by{"host", "path"};
    bool empty() const;
};

/// Why a snapshot is kept; no reasons: it goes.
struct RetentionDecision {
    std::size_t snapshot; ///< index into the list given
    std::string group;
    std::vector<std::string> reasons; ///< "last", "daily", "within 14d", "tag a", "pinned", "claims
                                      ///< a time that is still to come", …
    bool keep = false;
};

/// What to tell whoever asked for a snapshot by `name` and gets this one: that "latest" is one that
/// claims a time which is still to come. Empty: nothing.
std::string notice_about(const std::string& name, const Snapshot& found, Timestamp now);

/// Pure: buckets by the signed time in UTC, per group and signer; the newest of a bucket is kept.
/// `within` counts back from the newest snapshot of the group, its end included. A snapshot that
/// claims a time after `now` (plus a day) or before its predecessor's neither displaces
/// another nor is removed, and says so. `snapshots` as list_snapshots() gives them.
std::vector<RetentionDecision> decide_retention(const std::vector<Snapshot>& snapshots,
                                                const RetentionPolicy& policy, Timestamp now);

} // namespace backstay::core
