#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"
#include "repo/snapshot_catalog.hpp"
#include "target/directory_target.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// What to do about packs that lie in an archive of the store (ObjectStore::readiness()).
struct ThawOptions {
    enum class Action {
        none, ///< read, and fail at the first
        ask,  ///< have them given out, and end before anything is restored
        wait, ///< and wait until they are
    };
    Action action = Action::none;
    ThawWish wish;
    /// Waiting ends when nothing has come out for so long. The longest that AWS promises is two
    /// days.
    double patience = 72.0 * 3600; ///< seconds
};

struct RestoreOptions {
    std::vector<std::string> include; ///< gitignore patterns; empty: everything
    std::vector<std::string> exclude;
    unsigned strip_components = 0;
    bool verify = false;  ///< afterwards read everything again and compare
    bool dry_run = false; ///< only "step", "conflict" and "space" records
    bool list = false;    ///< an "entry" record an entry made
    ThawOptions thaw;
};

/// Restores `path` of a snapshot (see docs: "" the whole, each source under its name; "/…" inside
/// `files`) below a folder. Planned in windows of bounded memory: which chunks of which packs go
/// where; within a window packs are read once, in order, in coalesced ranges, in parallel, and
/// written to their place. Bytes that lie there already are compared by their ids and not fetched.
///
/// Damaged or missing data: the file is not put in place, a problem is emitted, the rest goes on.
/// Summary: entries, bytes_written, bytes_reused, problems, verdict.
Record restore_to_directory(Repository& repository, const Snapshot& snapshot,
                            const std::string& path, DirectoryTargetOptions target,
                            const RestoreOptions& options, const EngineLimits& limits,
                            JobContext& context);

/// To where it came from: what is in sources of kind "tree" (below `path`), into "/". `target.path`
/// is ignored. Throws Error{invalid} if nothing of `path` came from a tree.
Record restore_in_place(Repository& repository, const Snapshot& snapshot, const std::string& path,
                        DirectoryTargetOptions target, const RestoreOptions& options,
                        const EngineLimits& limits, JobContext& context);

/// The same into anything that pulls: plan, run, verify (if asked), commit; abandon on failure.
Record restore_to_target(Repository& repository, const Snapshot& snapshot, const std::string& path,
                         Target& target, const RestoreOptions& options, const EngineLimits& limits,
                         JobContext& context);

} // namespace backstay::core
