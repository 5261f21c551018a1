#pragma once

#include "codec/hash.hpp"
#include "engine/job_context.hpp"
#include "repo/repository.hpp"
#include "repo/snapshot_catalog.hpp"
#include "source/postgres/log_files_source.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// What a repository has of one system's write-ahead log: which of its files lie in which snapshots
/// of kind "log". A value.
class LogArchive
{
public:
    /// Of `list`, what belongs to this system.
    LogArchive(const SnapshotList& list, const std::string& system_id);

    struct Place {
        const Snapshot* snapshot; ///< in the list given, which must outlive it
        std::string hash;         ///< SHA-256 of the file
    };
    /// The newest of that name; empty if there is none.
    std::optional<Place> find(const std::string& name) const;
    /// Of the list: this system's whose files all lie in newer ones.
    std::vector<SessionId> superseded(const SnapshotList& list) const;
    /// The last whole segment of a timeline; "" if there is none.
    std::string last_segment(std::uint32_t timeline) const;

private:
    std::string system_id_;
    std::map<std::string, Place> files_;
};

/// The path of the file within a snapshot of kind "log".
std::string log_file_path(const std::string& name);

/// Where files of the log come from.
struct LogOrigin {
    std::string system_id;
    std::uint64_t segment_size = 0; ///< 0: not known
};

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

struct LogFetchOptions {
    std::string name;
    std::string to;        ///< written beside and renamed
    std::string system_id; ///< "": of the data directory that `to` lies in (restore_command)
    std::string spool; ///< folder, on the same file system, for what comes next; "": none is read
};
/// One file for a server that recovers (restore_command). Throws Error{not_found}.
Record fetch_log_file(Repository& repository, const LogFetchOptions& options,
                      const EngineLimits& limits, JobContext& context);

/// Segments that are missing between others of one timeline.
struct LogGap {
    std::string system_id;
    std::string first; ///< name of the first that is missing
    std::string last;
    bool ends_recovery = false; ///< no physical backup begins behind it
};
std::vector<LogGap> log_gaps(const SnapshotList& list);

/// Of snapshots of kind "log": those that no physical backup among the kept ones needs any more,
/// because it ended before the oldest of them of the same system began. `kept` tells for each
/// snapshot of the list whether it stays. Logs of systems without a kept backup stay.
std::vector<const Snapshot*> unneeded_logs(const SnapshotList& list, const std::vector<bool>& kept);

} // namespace backstay::core
