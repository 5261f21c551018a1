#include "engine/log_fetch.hpp"

#include "base/error.hpp"
#include "engine/log_archive.hpp"
#include "engine/log_record.hpp"
#include "engine/snapshot_access.hpp"
#include "postgres/log_file.hpp"
#include "target/partial_file.hpp"

#include <cerrno>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t piece_size = 1 * MiB;
constexpr std::uint64_t segments_ahead = 8;

void copy_out(SnapshotView& view, const Entry& entry, const std::string& to,
              const std::stop_token& stop)
{
    PartialFile file(to);
    const auto stream = view.open_stream(entry);
    stream->expect(0, stream->size());
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
        const std::uint64_t size = log_origin(log_record(snapshot)).segment_size;
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

} // namespace

Record fetch_log_file(Repository& repository, const LogFetchOptions& options,
                      const EngineLimits& limits, JobContext& context)
{
    if (!is_log_file_name(options.name)) {
        throw Error(ErrorCode::invalid, "this is no name of a file of a write-ahead log",
                    options.name);
    }
    const std::string system_id =
        options.system_id.empty()
            ? std::to_string(read_system_id(control_file_of_log_file(options.to)))
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

} // namespace backstay::core
