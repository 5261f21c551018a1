#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"
#include "repo/snapshot_catalog.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// The snapshot as records show it: type "snapshot", id, time, host, user, tags, comment, pinned,
/// kind, paths, sources (list of records: name, kind, roots, verdict, problems, message, record),
/// parent, counts, program, problems, verdict ("ok", "problems", "damaged").
Record snapshot_record(const Snapshot& snapshot);

/// find_snapshot() for a job: emits a "notice" record where notice_about() has something to tell.
const Snapshot& find_and_tell(Repository& repository, const SnapshotList& list,
                              const std::string& name, const SnapshotFilter& filter,
                              JobContext& context);

struct SnapshotsOptions {
    SnapshotFilter filter;
    unsigned latest = 0;               ///< the newest N of each group; 0: all
    std::vector<std::string> group_by; ///< host, path, tag
};
/// Emits a "snapshot" record each, oldest first (unreadable ones as problems). With group_by each
/// carries "group": text.
Record list_snapshot_records(Repository& repository, const SnapshotsOptions& options,
                             JobContext& context);

/// The group key of retention and of listings: "host=a path=/x,/y tag=t".
std::string snapshot_group(const Snapshot& snapshot, const std::vector<std::string>& group_by);

struct EntriesOptions {
    bool recursive = true;
    bool problems = false; ///< instead of entries: the problems recorded at the backup
};
/// `ls`: an "entry" record for each entry below `path` (or the one file), in walk order. A folder
/// that cannot be read is a problem.
Record list_entries(Repository& repository, const Snapshot& snapshot, const std::string& path,
                    const EntriesOptions& options, const EngineLimits& limits, JobContext& context);

struct FindOptions {
    std::vector<std::string> patterns; ///< gitignore patterns
    bool ignore_case = false;
    std::string snapshot; ///< empty: all that the filter takes
    SnapshotFilter filter;
};
/// An "entry" record with "snapshot" for each match, by snapshot, oldest first. A subtree that
/// occurs in several snapshots is searched once.
Record find_entries(Repository& repository, const FindOptions& options, const EngineLimits& limits,
                    JobContext& context);

/// "difference" records: path, change: "added", "removed", "modified" (with "what": content, mode,
/// owner, times, xattrs, kind, target …), sizes before and after. Equal subtrees are not read.
struct DiffOptions {
    bool metadata = false; ///< differences of attributes alone, too
};
Record diff_snapshots(Repository& repository, const Snapshot& before, const std::string& path,
                      const Snapshot& after, const std::string& after_path,
                      const DiffOptions& options, const EngineLimits& limits, JobContext& context);

/// Sizes: for the whole repository (snapshots empty) or for some snapshots: entries, bytes_source
/// (restore size), blobs, bytes (plain, each once), bytes_stored (compressed, their share of
/// frames), packs, ratio.
Record repository_stats(Repository& repository, const std::vector<std::string>& snapshots,
                        const SnapshotFilter& filter, const EngineLimits& limits,
                        JobContext& context);

} // namespace backstay::core
