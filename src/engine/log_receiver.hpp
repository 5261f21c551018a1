#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"

#include <string>

namespace backstay::core
{

struct LogReceiveOptions {
    std::string conninfo;
    std::string slot;
    bool create_slot = false; ///< if it is not there
    bool skip_gap = false;    ///< go on where the slot begins, though log before it is missing
};

/// Takes a server's write-ahead log out of a replication slot for ever: each whole segment becomes
/// a snapshot of kind "log", and is acknowledged when that counts. Goes on behind the last segment
/// that the repository has, follows the server to new timelines, and after a failure connects again
/// (a "notice" record each), waiting up to a minute in between. Log that the server has not any
/// more ends it: Error{conflict}. What fails at the first attempt is thrown. Emits a "segment"
/// record (name, snapshot, bytes_stored) each. Ends by the stop token: Error{cancelled}.
Record receive_log(Repository& repository, const LogReceiveOptions& options,
                   const EngineLimits& limits, JobContext& context);

} // namespace backstay::core
