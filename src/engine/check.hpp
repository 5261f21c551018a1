#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"

#include <optional>

namespace backstay::core
{

struct CheckOptions {
    std::optional<double> read_data; ///< percent of the packs whose contents are read, 100: all;
                                     ///< empty: structure only
};

/// Is the repository whole? Objects (each readable, signed, named right; packs there with the size
/// the index says; extra packs told), every snapshot's trees and contents in the index; with
/// read_data packs hash to their names, directories agree with the index, every frame opens and
/// every blob hashes to its id. Each damage is a "problem" with `object` and what it hurts
/// (snapshots and paths, the first hundred). Says what the store was not proven to do. Summary:
/// snapshots, packs, blobs, bytes_checked, unused bytes, problems, verdict: "ok", "problems" (packs
/// that the store does not hand out, and nothing else) or "damaged".
Record run_check(Repository& repository, const CheckOptions& options, const EngineLimits& limits,
                 JobContext& context);

struct ScrubOptions {
    double percent = 100;
};
/// Packs (and segments) hash to their names: needs no key. Summary: objects, bytes_checked,
/// problems, verdict.
Record run_scrub(ObjectStore& store, const ScrubOptions& options, const EngineLimits& limits,
                 JobContext& context);

} // namespace backstay::core
