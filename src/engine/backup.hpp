#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"
#include "repo/snapshot_catalog.hpp"
#include "source/data_source.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

struct BackupSource {
    std::string name;               ///< the child of the snapshot's root: a name without '/'
    std::string kind;               ///< "tree", "stream", "command", "archive", "host"
    std::vector<std::string> roots; ///< what was asked for; part of the series
    std::shared_ptr<DataSource> source;
    bool optional = false; ///< its failure marks the snapshot instead of ending the backup
    std::string after;     ///< another source's name: not before that one has finished
};

struct BackupOptions {
    std::string kind = "backup"; ///< or "log": shown and forgotten by rules of its own
    std::vector<std::string> tags;
    std::string host;              ///< empty: this one
    std::optional<Timestamp> time; ///< of the snapshot; else the clock's at the start
    std::string comment;
    std::string parent; ///< a snapshot's name; empty: the last of the same host and sources; "none"
    bool force = false; ///< read everything, believe no change token
    bool skip_if_unchanged = false; ///< no snapshot if the tree equals the parent's
    int compression = 2;
    bool dry_run = false; ///< do everything but store; nothing is announced
    bool list =
        false; ///< an "entry" record an entry, with "change": new, modified, unchanged, removed
    std::string list_changes = "NMU"; ///< which of new, modified, unchanged
    std::uint64_t checkpoint_bytes = 1 * GiB;
    double checkpoint_seconds = 300;
};

/// One snapshot of all sources, or none. Emits problem, entry (if asked), and a "source" record for
/// each source with its verdict. Returns the summary
/// ("snapshot", "parent", counts as in docs/json.md, "verdict": ok or problems). Throws: nothing
/// was committed; sources are settled either way. Goes on where an interrupted run of the same
/// series (host, sources) left off: what its checkpoints tell is not read again. Where a source
/// finds that its parent is lost, everything begins anew, once for each.
Record run_backup(Repository& repository, std::vector<BackupSource> sources,
                  const BackupOptions& options, const EngineLimits& limits, JobContext& context);

} // namespace backstay::core
