#pragma once

#include "engine/job_context.hpp"
#include "engine/log_record.hpp"
#include "repo/repository.hpp"

namespace backstay::core
{

/// Stores files as one snapshot of kind "log", together with what the one before has and is still
/// needed; it counts when this returns. Now and then those before it are forgotten. What is there
/// already is left out. Throws Error{conflict} where a file of that name with other contents is
/// there: two systems with one identifier went different ways. Returns the summary ("files",
/// "bytes_stored").
Record store_log_files(Repository& repository, const LogOrigin& origin, std::vector<LogFile> files,
                       const EngineLimits& limits, JobContext& context);

struct LogPushOptions {
    std::string path;
};
/// One file that a server archives (archive_command); of a segment only a whole one is taken.
Record push_log_file(Repository& repository, const LogPushOptions& options,
                     const EngineLimits& limits, JobContext& context);

} // namespace backstay::core
