#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"

#include <stop_token>

namespace backstay::core
{

/// Looks at the locks of all objects that are to stay (sessions come and go), in a store that locks
/// them for a time, and renews those that would end within half of that time, or tells how many
/// there are. What cannot be renewed is a problem of the job's.
void keep_locks(Repository& repository, JobContext& context, LockUpkeep upkeep,
                const std::stop_token& stop);

} // namespace backstay::core
