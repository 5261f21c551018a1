#include "engine/log_archive.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/backup.hpp"
#include "engine/forget.hpp"
#include "engine/snapshot_access.hpp"
#include "engine/store_rights.hpp"
#include "postgres/log_file.hpp"
#include "target/partial_file.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr const char* source_name = "wal";
constexpr const char* source_kind = "postgres.log";
constexpr std::size_t piece_size = 1 * MiB;
constexpr std::size_t timeline_digits = 8;
constexpr std::size_t most_files_in_a_snapshot = 256; ///< 4 GiB of log, of the usual segment size
constexpr std::size_t superseded_before_forgetting = 32;
constexpr std::uint64_t segments_ahead = 8;

/// The record that a snapshot of the log carries: empty if it is none.
Record log_record(const Snapshot& snapshot)
{
    for (const SnapshotSource& source : snapshot.record.sources) {
        if (source.kind == source_kind && !source.record.empty()) {
            return Record::from_json(source.record);
        }
    }
    return {};
}

/// 0 if it does not tell.
std::uint64_t segment_size_of(const Record& record)
{
    const auto size = static_cast<std::uint64_t>(record.number("wal_segment_size"));
    return is_log_segment_size(size) ? size : 0;
}

/// Calls `take(name, hash)` for each file.
template <typename Take>
void for_each_file(const Record& record, Take&& take)
{
    const Record::Field* files = record.find("files");
    if (files == nullptr || files->kind != Record::Field::Kind::list) {
        return;
    }
    for (const Record::Field& item : files->nested.front().fields()) {
        if (item.kind == Record::Field::Kind::record) {
            const Record& file = item.nested.front();
            take(file.text("name"), file.text("sha256"));
        }
    }
}

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

std::string folder_of(const std::string& path)
{
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// "pg_wal/0000…" is what a server names in its commands, from its data directory.
std::string data_directory_of(const std::string& path)
{
    const std::string folder = folder_of(path);
    return folder == "." ? ".." : folder_of(folder);
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
        return {std::to_string(read_system_id(data_directory_of(path))), 0};
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

std::string record_of(const LogOrigin& origin, const std::vector<LogFile>& files)
{
    Record list = Record::list();
    for (const LogFile& file : files) {
        Record one;
        one.set("name", file.name).set("sha256", file.hash);
        list.add(std::move(one));
    }
    Record record;
    record.set("kind", "postgres").set("method", "log").set("system_id", origin.system_id);
    record.set("wal_segment_size", origin.segment_size);
    return record.set("files", std::move(list)).json();
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

void copy_out(SnapshotView& view, const Entry& entry, const std::string& to,
              const std::stop_token& stop)
{
    PartialFile file(to);
    const auto stream = view.open_stream(entry);
    Bytes piece(piece_size);
    for (std::uint64_t at = 0; at < stream->size();) {
        const std::size_t got = stream->read_at(at, piece, stop);
        if (got == 0) {
            throw Error(ErrorCode::damaged, "the file is shorter than the snapshot says",
                        entry.path);
        }
        write_at(file.descriptor(), at, ByteSpan(piece).first(got), to);
        at += got;
    }
    file.put_in_place(PartialFile::Existing::is_replaced);
}

/// Files of the log out of their snapshots, of which the one used last stays open.
class LogReader
{
public:
    LogReader(Repository& repository, const EngineLimits& limits, const std::stop_token& stop)
        : repository_(repository), limits_(limits), stop_(stop)
    {
    }

    /// Returns its size. What a snapshot says it has and cannot give is damaged, not absent: a
    /// server that recovers goes on without what is absent.
    std::uint64_t write_out(const Snapshot& snapshot, const std::string& name,
                            const std::string& to)
    {
        try {
            SnapshotView& view = open(snapshot);
            const auto entry = view.lookup(log_file_path(name));
            if (!entry) {
                throw Error(ErrorCode::damaged, "the snapshot does not have what it says", name);
            }
            copy_out(view, *entry, to, stop_);
            return entry->size;
        } catch (const Error& error) {
            if (error.code() != ErrorCode::not_found) {
                throw;
            }
            throw Error(ErrorCode::damaged, error.what(), error.subject());
        }
    }

private:
    SnapshotView& open(const Snapshot& snapshot)
    {
        if (!access_ || access_->snapshot().record.id != snapshot.record.id) {
            access_ = std::make_unique<SnapshotAccess>(repository_, snapshot, limits_,
                                                       SnapshotAccess::Announce::no, stop_);
        }
        return access_->root();
    }

    Repository& repository_;
    const EngineLimits& limits_;
    const std::stop_token& stop_;
    std::unique_ptr<SnapshotAccess> access_;
};

/// Segments fetched before they are asked for, in a folder of their own on the file system of the
/// cluster. A file is there whole or not at all.
class LogSpool
{
public:
    LogSpool(std::string folder, std::string system_id)
        : folder_(std::move(folder)), system_id_(std::move(system_id))
    {
    }

    /// False if it is not there.
    bool take(const std::string& name, const std::string& to) const
    {
        if (folder_.empty() || ::rename(path_of(name).c_str(), to.c_str()) == 0) {
            return !folder_.empty();
        }
        if (errno != ENOENT) {
            throw_system_error(errno, "cannot take the file out of the spool", path_of(name),
                               ErrorCode::target);
        }
        return false;
    }

    /// What comes after `name`. A failure is that of whoever asks for the file.
    void fill(LogReader& reader, const LogArchive& archive, const Snapshot& snapshot,
              const std::string& name, const std::stop_token& stop) const
    {
        const std::uint64_t size = segment_size_of(log_record(snapshot));
        const auto segment = size > 0 ? parse_segment_name(name, size) : std::nullopt;
        if (folder_.empty() || !segment) {
            return;
        }
        ::mkdir(folder_.c_str(), 0700); // if it cannot be made, nothing can be written
        for (std::uint64_t ahead = 1; ahead <= segments_ahead; ++ahead) {
            const std::string next =
                segment_name({segment->timeline, segment->number + ahead}, size);
            const auto place = archive.find(next);
            if (!place || stop.stop_requested()) {
                return;
            }
            try {
                if (::access(path_of(next).c_str(), F_OK) != 0) {
                    reader.write_out(*place->snapshot, next, path_of(next));
                }
            } catch (const Error&) {
                return;
            }
        }
    }

private:
    std::string path_of(const std::string& name) const
    {
        return folder_ + "/" + system_id_ + "-" + name;
    }

    const std::string folder_;
    const std::string system_id_;
};

/// Where a physical backup begins: its system, and the segments before it as names compare.
struct BackupBegin {
    std::string system_id;
    std::string segment; ///< without the timeline
};

std::optional<BackupBegin> begin_of(const Snapshot& snapshot)
{
    for (const SnapshotSource& source : snapshot.record.sources) {
        if (source.kind != "postgres.physical" || source.record.empty()) {
            continue;
        }
        const Record record = Record::from_json(source.record);
        const auto position = parse_log_position(record.text("wal_begin"));
        const auto size = static_cast<std::uint64_t>(record.number("wal_segment_size"));
        if (position && is_log_segment_size(size)) {
            const std::string name = segment_name(segment_at(1, *position, size), size);
            return BackupBegin{record.text("system_id"), name.substr(timeline_digits)};
        }
    }
    return std::nullopt;
}

/// From which segment on the log of each system is needed, as names without timelines compare.
std::map<std::string, std::string> needed_from(const SnapshotList& list,
                                               const std::vector<bool>& kept)
{
    std::map<std::string, std::string> needed;
    for (std::size_t i = 0; i < list.snapshots.size(); ++i) {
        const auto begin = kept[i] ? begin_of(list.snapshots[i]) : std::nullopt;
        if (begin) {
            std::string& from = needed[begin->system_id];
            from = from.empty() ? begin->segment : std::min(from, begin->segment);
        }
    }
    return needed;
}

/// A history stays: which timelines there were matters as long as there is a backup.
bool is_needed(const std::string& name, const std::string& from)
{
    return is_timeline_history_name(name) || name.substr(timeline_digits, 16) >= from;
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
                origin_.segment_size = segment_size_of(log_record(*base));
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
                return snapshot.record.kind == "log" &&
                       log_record(snapshot).text("system_id") == origin_.system_id;
            });
        return found != list.snapshots.rend() ? &*found : nullptr;
    }

    std::vector<LogFile> carried(const Snapshot& base, const SnapshotList& list) const
    {
        const auto needed = needed_from(list, std::vector<bool>(list.snapshots.size(), true));
        const auto from = needed.find(origin_.system_id);
        std::vector<LogFile> files;
        for_each_file(log_record(base), [&](const std::string& name, const std::string& hash) {
            if (from == needed.end() || is_needed(name, from->second)) {
                files.push_back({name, nullptr, 0, hash});
            }
        });
        return files;
    }

    Record commit(std::vector<LogFile> files, const std::string& parent)
    {
        BackupSource source;
        source.name = source_name;
        source.kind = source_kind;
        source.roots = {origin_.system_id};
        const std::string record = record_of(origin_, files);
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

std::string log_file_path(const std::string& name)
{
    return std::string(source_name) + "/" + name;
}

LogArchive::LogArchive(const SnapshotList& list, const std::string& system_id)
    : system_id_(system_id)
{
    for (const Snapshot& snapshot : list.snapshots) { // the oldest first
        if (snapshot.record.kind != "log") {
            continue;
        }
        const Record record = log_record(snapshot);
        if (record.text("system_id") == system_id) {
            for_each_file(record, [&](const std::string& name, const std::string& hash) {
                files_[name] = {&snapshot, hash};
            });
        }
    }
}

std::optional<LogArchive::Place> LogArchive::find(const std::string& name) const
{
    const auto found = files_.find(name);
    return found != files_.end() ? std::optional(found->second) : std::nullopt;
}

std::vector<SessionId> LogArchive::superseded(const SnapshotList& list) const
{
    std::set<SessionId> needed;
    for (const auto& [name, place] : files_) {
        needed.insert(place.snapshot->record.id);
    }
    std::vector<SessionId> superseded;
    for (const Snapshot& snapshot : list.snapshots) {
        if (snapshot.record.kind == "log" && !snapshot.pinned &&
            log_record(snapshot).text("system_id") == system_id_ &&
            !needed.contains(snapshot.record.id)) {
            superseded.push_back(snapshot.record.id);
        }
    }
    return superseded;
}

std::string LogArchive::last_segment(std::uint32_t timeline) const
{
    std::string last;
    const std::string prefix = fmt::format("{:08X}", timeline);
    for (const auto& [name, place] : files_) {
        if (is_segment_name(name) && name.starts_with(prefix)) {
            last = name;
        }
    }
    return last;
}

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

Record fetch_log_file(Repository& repository, const LogFetchOptions& options,
                      const EngineLimits& limits, JobContext& context)
{
    if (!is_log_file_name(options.name)) {
        throw Error(ErrorCode::invalid, "this is no name of a file of a write-ahead log",
                    options.name);
    }
    const std::string system_id =
        options.system_id.empty() ? std::to_string(read_system_id(data_directory_of(options.to)))
                                  : options.system_id;
    Record summary("summary");
    summary.set("command", "wal-fetch").set("problems", 0).set("verdict", "ok");
    const LogSpool spool(options.spool, system_id);
    if (spool.take(options.name, options.to)) {
        return summary;
    }
    const SnapshotList list = list_snapshots(repository, context.stop());
    const LogArchive archive(list, system_id);
    const auto place = archive.find(options.name);
    if (!place) {
        throw Error(
            ErrorCode::not_found,
            fmt::format("the repository has no such file of the log of system {}", system_id),
            options.name);
    }
    LogReader reader(repository, limits, context.stop());
    const std::uint64_t size = reader.write_out(*place->snapshot, options.name, options.to);
    spool.fill(reader, archive, *place->snapshot, options.name, context.stop());
    summary.set("snapshot", place->snapshot->record.id.hex()).set("bytes_written", size);
    return summary;
}

std::vector<LogGap> log_gaps(const SnapshotList& list)
{
    struct System {
        std::uint64_t segment_size = 0;
        std::map<std::uint32_t, std::set<std::uint64_t>> segments; // by timeline
        std::string newest_begin;                                  // of a physical backup
    };
    std::map<std::string, System> systems;
    for (const Snapshot& snapshot : list.snapshots) {
        if (const auto begin = begin_of(snapshot)) {
            std::string& newest = systems[begin->system_id].newest_begin;
            newest = std::max(newest, begin->segment);
        }
        const Record record = snapshot.record.kind == "log" ? log_record(snapshot) : Record();
        const std::uint64_t size = segment_size_of(record);
        if (size == 0) {
            continue;
        }
        System& system = systems[record.text("system_id")];
        system.segment_size = size;
        for_each_file(record, [&](const std::string& name, const std::string&) {
            if (const auto segment = parse_segment_name(name, size)) {
                system.segments[segment->timeline].insert(segment->number);
            }
        });
    }
    std::vector<LogGap> gaps;
    for (const auto& [id, system] : systems) {
        for (const auto& [timeline, numbers] : system.segments) {
            std::optional<std::uint64_t> before;
            for (const std::uint64_t number : numbers) {
                if (before && number - *before > 1) {
                    const std::string last =
                        segment_name({timeline, number - 1}, system.segment_size);
                    gaps.push_back({id, segment_name({timeline, *before + 1}, system.segment_size),
                                    last, last.substr(timeline_digits) >= system.newest_begin});
                }
                before = number;
            }
        }
    }
    return gaps;
}

std::vector<const Snapshot*> unneeded_logs(const SnapshotList& list, const std::vector<bool>& kept)
{
    const std::map<std::string, std::string> needed = needed_from(list, kept);
    std::vector<const Snapshot*> unneeded;
    for (const Snapshot& snapshot : list.snapshots) {
        const Record record = snapshot.record.kind == "log" ? log_record(snapshot) : Record();
        const auto from = needed.find(record.text("system_id"));
        if (snapshot.record.kind != "log" || snapshot.pinned || from == needed.end()) {
            continue;
        }
        bool stays = false;
        for_each_file(record, [&](const std::string& name, const std::string&) {
            stays = stays || is_needed(name, from->second);
        });
        if (!stays) {
            unneeded.push_back(&snapshot);
        }
    }
    return unneeded;
}

} // namespace backstay::core
