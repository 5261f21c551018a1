#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"
#include "repo/snapshot_catalog.hpp"
#include "source/data_source.hpp"

#include <memory>
#include <string>

namespace backstay::core
{

/// The living source of a tree as the snapshot recorded it. Throws Error{unsupported} for other
/// kinds, Error{not_found} for an unknown name.
std::shared_ptr<DataSource> recorded_source(const Snapshot& snapshot,
                                            const std::string& source_name,
                                            const EngineLimits& limits);

/// Does a snapshot equal its living source? Reads the source again, cuts it like the snapshot and
/// compares ids and attributes: "difference" records (path, change, what). Nothing is fetched but
/// trees. Differences are no damage: summary "differences", problems (what could not be compared),
/// verdict "ok" or "problems".
Record run_verify(Repository& repository, const Snapshot& snapshot, const std::string& source_name,
                  DataSource& source, const EngineLimits& limits, JobContext& context);

} // namespace backstay::core
