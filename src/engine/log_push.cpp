#include "engine/log_push.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "codec/hash.hpp"
#include "engine/backup.hpp"
#include "engine/forget.hpp"
#include "engine/log_archive.hpp"
#include "engine/log_retention.hpp"
#include "engine/store_rights.hpp"
#include "postgres/log_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t piece_size = 1 * MiB;
constexpr std::size_t most_files_in_a_snapshot = 256; ///< 4 GiB of log, of the usual segment size
constexpr std::size_t superseded_before_forgetting = 32;

std::string hash_of(const LogFile& file, const std::stop_token& stop)
{
    Sha256 hash;
    Bytes piece(piece_size);
    for (std::uint64_t at = 0; at < file.size;) {
        throw_if_stopped(stop);
        const auto wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), file.size - at));
        const std::size_t got =
            read_at(file.file->get(), at, MutableByteSpan(piece).first(wanted), file.name);
        if (got == 0) {
            throw Error(ErrorCode::source, "the file became shorter while it was read", file.name);
        }
        hash.update(ByteSpan(piece).first(got));
        at += got;
    }
    return to_hex(hash.finish());
}

LogFile open_log_file(const std::string& path)
{
    LogFile file;
    file.name = path.substr(path.rfind('/') + 1);
    if (!is_log_file_name(file.name)) {
        throw Error(ErrorCode::invalid,
                    "this is no file of a write-ahead log: its name is none of a segment, a backup "
                    "label or a timeline's history",
                    path);
    }
    file.file = std::make_shared<FileDescriptor>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {
    };
    if (!*file.file || ::fstat(file.file->get(), &status) != 0) {
        throw_system_error(errno, "cannot open the file", path, ErrorCode::source);
    }
    file.size = static_cast<std::uint64_t>(status.st_size);
    return file;
}

/// Of a segment from itself, which then is proved to be whole; of other files from the control file
/// beside.
LogOrigin origin_of(const LogFile& file, const std::string& path)
{
    if (!is_segment_name(file.name)) {
        return {std::to_string(read_system_id(control_file_of_log_file(path))), 0};
    }
    Bytes bytes(log_file_header_size);
    bytes.resize(read_at(file.file->get(), 0, bytes, path));
    const std::optional<LogFileHeader> header = decode_log_file_header(bytes);
    if (!header) {
        throw Error(ErrorCode::invalid, "this is no segment of a write-ahead log", path);
    }
    check_segment(file.name, *header, file.size);
    return {std::to_string(header->system_id), header->segment_size};
}

/// Leaves out what the archive has.
void leave_out_stored(const LogArchive& archive, std::vector<LogFile>& files)
{
    for (std::size_t i = files.size(); i-- > 0;) {
        const std::optional<LogArchive::Place> there = archive.find(files[i].name);
        if (!there) {
            continue;
        }
        if (there->hash != files[i].hash) {
            throw Error(ErrorCode::conflict,
                        "a file of this name with other contents is in the repository: two servers "
                        "with the same system identifier write their logs here",
                        files[i].name);
        }
        files.erase(files.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

Record summary_of(const char* command, std::uint64_t files, const Record& backup)
{
    Record summary("summary");
    summary.set("command", command).set("files", files);
    summary.set("snapshot", backup.text("snapshot"));
    summary.set("bytes_stored", backup.number("bytes_stored"));
    return std::move(summary.set("problems", 0).set("verdict", "ok"));
}

/// Makes a snapshot of new files and of what the newest one before has and is still needed, which
/// is taken over without being read. So the log lies in few snapshots, and most of them can go.
class LogCommit
{
public:
    LogCommit(Repository& repository, const LogOrigin& origin, const EngineLimits& limits,
              JobContext& context)
        : repository_(repository), origin_(origin), limits_(limits), context_(context)
    {
    }

    Record run(const SnapshotList& list, const std::vector<LogFile>& files)
    {
        if (const Snapshot* base = newest(list)) {
            if (origin_.segment_size == 0) { // a history or a label does not tell
                origin_.segment_size = log_origin(log_record(*base)).segment_size;
            }
            std::vector<LogFile> all = carried(*base, list);
            all.insert(all.end(), files.begin(), files.end());
            if (all.size() > files.size() && all.size() <= most_files_in_a_snapshot) {
                try {
                    return commit(std::move(all), base->record.id.hex());
                } catch (const Error& error) {
                    if (error.code() != ErrorCode::source) {
                        throw;
                    }
                    // The one before is damaged: begin anew.
                }
            }
        }
        return commit(files, "none");
    }

private:
    const Snapshot* newest(const SnapshotList& list) const
    {
        const auto found = std::find_if(
            list.snapshots.rbegin(), list.snapshots.rend(), [this](const Snapshot& snapshot) {
                return log_record(snapshot).text("system_id") == origin_.system_id;
            });
        return found != list.snapshots.rend() ? &*found : nullptr;
    }

    std::vector<LogFile> carried(const Snapshot& base, const SnapshotList& list) const
    {
        const LogNeed need(list, std::vector<bool>(list.snapshots.size(), true));
        std::vector<LogFile> files;
        for_each_log_file(log_record(base), [&](const std::string& name, const std::string& hash) {
            if (need.needs(origin_.system_id, name)) {
                files.push_back({name, nullptr, 0, hash});
            }
        });
        return files;
    }

    Record commit(std::vector<LogFile> files, const std::string& parent)
    {
        BackupSource source;
        source.name = log_source_name;
        source.kind = log_source_kind;
        source.roots = {origin_.system_id};
        const std::string record = encode_log_record(origin_, files);
        source.source = make_log_files_source(std::move(files), record);
        BackupOptions options;
        options.kind = "log";
        options.parent = parent;
        return run_backup(repository_, {std::move(source)}, options, limits_, context_);
    }

    Repository& repository_;
    LogOrigin origin_;
    const EngineLimits& limits_;
    JobContext& context_;
};

/// Snapshots of the log whose files all lie in newer ones, in batches. Whoever may not remove them
/// leaves it to a forget by policy.
void forget_superseded(Repository& repository, const LogArchive& archive, const SnapshotList& list,
                       JobContext& context)
{
    const std::vector<SessionId> superseded = archive.superseded(list);
    if (superseded.size() < superseded_before_forgetting) {
        return;
    }
    try {
        demand_right_to_collect(repository, false, "wal-push", context.stop());
        forget_sessions(repository, superseded, context);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::denied && error.code() != ErrorCode::unsupported) {
            throw;
        }
    }
}

} // namespace

Record store_log_files(Repository& repository, const LogOrigin& origin, std::vector<LogFile> files,
                       const EngineLimits& limits, JobContext& context)
{
    for (LogFile& file : files) {
        file.hash = hash_of(file, context.stop());
    }
    const SnapshotList list = list_snapshots(repository, context.stop());
    const LogArchive archive(list, origin.system_id);
    leave_out_stored(archive, files);
    const std::uint64_t count = files.size();
    Record backup;
    if (count > 0) {
        backup = LogCommit(repository, origin, limits, context).run(list, files);
        forget_superseded(repository, archive, list, context);
    }
    return summary_of("wal-push", count, backup);
}

Record push_log_file(Repository& repository, const LogPushOptions& options,
                     const EngineLimits& limits, JobContext& context)
{
    std::vector<LogFile> files{open_log_file(options.path)};
    const LogOrigin origin = origin_of(files.front(), options.path);
    return store_log_files(repository, origin, std::move(files), limits, context);
}

} // namespace backstay::core
