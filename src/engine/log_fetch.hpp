#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"

#include <string>

namespace backstay::core
{

struct LogFetchOptions {
    std::string name;
    std::string to;        ///< written beside and renamed
    std::string system_id; ///< "": of the data directory that `to` lies in (restore_command)
    std::string spool; ///< folder, on the same file system, for what comes next; "": none is read
};
/// One file for a server that recovers (restore_command). Throws Error{not_found}.
Record fetch_log_file(Repository& repository, const LogFetchOptions& options,
                      const EngineLimits& limits, JobContext& context);

} // namespace backstay::core
