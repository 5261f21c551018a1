#pragma once

#include "engine/job_context.hpp"
#include "engine/prune.hpp"
#include "engine/retention.hpp"
#include "repo/repository.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

struct ForgetOptions {
    std::vector<std::string> snapshots; ///< names; then the policy must be empty
    SnapshotFilter filter;
    RetentionPolicy policy;
    bool dry_run = false;
    bool alone =
        false; ///< the operator's word that nobody else writes, for stores without create-if-absent
    std::optional<PruneOptions> prune; ///< right afterwards
};

/// Emits a "decision" record for each snapshot looked at: snapshot, time, host, tags, group, keep,
/// reasons. Names what goes in one gc/<n>, then removes. Pinned snapshots are never forgotten:
/// naming one is Error{conflict}. An empty policy without names is Error{invalid}; a policy that
/// would keep nothing of a group is refused unless it says so by names. Summary: kept, forgotten,
/// problems, verdict (and prune's fields).
Record run_forget(Repository& repository, const ForgetOptions& options, const EngineLimits& limits,
                  JobContext& context);

/// These do not count any more: named in gc/ first, then removed (protocol.md). A refused removal
/// is left: the names are spent already.
void forget_sessions(Repository& repository, const std::vector<SessionId>& sessions,
                     JobContext& context);

} // namespace backstay::core
