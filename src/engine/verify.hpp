#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"
#include "repo/snapshot_catalog.hpp"
#include "source/data_source.hpp"

namespace backstay::core {

/// Does a snapshot equal its living source? Reads the source again, cuts it like the snapshot and compares ids and attributes: "difference" records (path, change, what). Nothing is fetched but trees.
/// Differences are no damage: summary "differences", problems (what could not be compared), verdict "ok" or "problems".
Record run_verify(Repository& repository, const Snapshot& snapshot, const std::string& source_name, DataSource& source, const EngineLimits& limits, JobContext& context);

} // namespace backstay::core
