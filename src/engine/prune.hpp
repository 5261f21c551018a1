#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"

namespace backstay::core
{

struct PruneOptions {
    /// Unused bytes that may stay, as a part of all bytes afterwards (0.05) or as bytes.
    double max_unused_fraction = 0.05;
    std::optional<std::uint64_t> max_unused_bytes;
    std::uint64_t max_repack_bytes = 0; ///< of packs to rewrite; 0: no limit
    bool wait = false; ///< for sessions that have not ended, instead of leaving the rest to a later
                       ///< collection
    double fence_after = 24 * 3600; ///< seconds without a sign of life
    bool alone = false;
    bool dry_run = false;
    int compression = 2;
};

/// A collection by protocol.md, "Collector": choose (a plan, emitted as "step" records: remove or
/// repack, pack, bytes, unused), condemn, wait or stop, mark again, copy forward, publish, remove.
/// Whole frames that are used in full are copied as they are; others are opened and their used
/// blobs sealed again. Also tidies: ended sessions, segments that only list condemned packs,
/// many small segments, temporary leftovers. Summary: packs_removed, packs_repacked, bytes_freed,
/// bytes_repacked, bytes_unused_left, segments_joined, waiting_for (sessions; then the rest is left
/// to a later collection), problems, verdict.
Record run_prune(Repository& repository, const PruneOptions& options, const EngineLimits& limits,
                 JobContext& context);

} // namespace backstay::core
