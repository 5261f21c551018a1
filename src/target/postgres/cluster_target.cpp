#include "target/postgres/cluster_target.hpp"

#include "base/bounded_queue.hpp"
#include "base/worker_group.hpp"
#include "target/postgres/cluster_folder.hpp"
#include "target/postgres/cluster_start.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <map>
#include <mutex>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t piece_size = 1 * MiB;
constexpr std::uint64_t part_size = 32 * MiB;
constexpr std::size_t files_waiting = 256;
constexpr std::size_t most_of_control_file = 64 * KiB;
constexpr std::size_t most_of_settings = 64 * MiB;
constexpr mode_t group_bits = 0050;
constexpr const char* control_file = "global/pg_control";
constexpr const char* settings_file = "postgresql.auto.conf";
constexpr const char* standby_file = "standby.signal";

bool has_content(const Entry& entry)
{
    return entry.kind == EntryKind::file || entry.kind == EntryKind::image;
}

Bytes read_all(SnapshotView& view, const Entry& entry, std::size_t limit,
               const std::stop_token& stop)
{
    const auto stream = view.open_stream(entry);
    if (stream->size() > limit) {
        throw Error(ErrorCode::damaged, "this file of the backup is impossibly large", entry.path);
    }
    Bytes bytes(static_cast<std::size_t>(stream->size()));
    if (stream->read_at(0, bytes, stop) != bytes.size()) {
        throw Error(ErrorCode::damaged, "the file is shorter than the snapshot says", entry.path);
    }
    return bytes;
}

template <typename Id, typename Find>
Id id_of(const std::string& name, const char* what, Find&& find)
{
    Id id = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (failed == std::errc() && end == name.data() + name.size()) {
        return id;
    }
    if (!find(id)) {
        throw Error(ErrorCode::invalid, fmt::format("there is no {} '{}' here", what, name));
    }
    return id;
}

/// Empty if there is no such account.
std::optional<FileOwner> find_account(const std::string& name)
{
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return std::nullopt;
    }
    return FileOwner{found->pw_uid, found->pw_gid, true};
}

/// "USER", "USER:GROUP"; names or numbers.
FileOwner parse_owner(const std::string& text)
{
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string user = text.substr(0, colon);
    FileOwner owner;
    owner.is_given = true;
    owner.user = id_of<uid_t>(user, "user", [&](uid_t& id) {
        const auto account = find_account(user);
        id = account ? account->user : 0;
        owner.group = account ? account->group : 0;
        return account.has_value();
    });
    if (colon < text.size()) {
        const std::string group = text.substr(colon + 1);
        owner.group = id_of<gid_t>(group, "group", [&](gid_t& id) {
            std::array<char, 4096> buffer{};
            struct group entry {
            };
            struct group* found = nullptr;
            ::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found);
            id = found != nullptr ? found->gr_gid : 0;
            return found != nullptr;
        });
    }
    return owner;
}

/// Where an entry of the snapshot goes.
struct Place {
    ClusterFolder* folder = nullptr;
    std::string path;
    bool is_log = false;
};

/// A file that several workers may write, each its own part.
struct FileInProgress {
    Entry entry;
    Place place;
    std::once_flag made;
    FileDescriptor file;
    std::atomic<std::uint64_t> parts_left{0};
};

struct Piece {
    std::shared_ptr<FileInProgress> file;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

class PostgresDirectoryTarget final : public Target
{
public:
    explicit PostgresDirectoryTarget(PostgresDirectoryOptions options)
        : options_(std::move(options)), data_(options_.directory)
    {
        if (options_.directory.empty()) {
            throw Error(ErrorCode::invalid, "say which folder the cluster goes into");
        }
    }

    void plan(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop) override
    {
        cluster_ = parse_cluster_record(view.source_record());
        check_recovery(options_.recovery, cluster_);
        if (options_.start) {
            pg_ctl_ = find_pg_ctl(options_.program_folder, cluster_.version / 10000, stop);
        }
        take_tablespaces();
        plan_folder(data_, events);
        for (const auto& [oid, folder] : spaces_) {
            plan_folder(*folder, events);
        }
        const auto self = view.lookup("");
        if (events.plan && self && self->subtree) {
            events.plan({PlanStep::Kind::space, "", "", self->subtree->bytes, ""});
        }
    }

    void run(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop) override
    {
        stop_ = stop;
        choose_owner(events);
        data_.make(cluster_.folder_mode, owner_);
        for (const auto& [oid, folder] : spaces_) {
            folder->make(0700, owner_);
        }
        copy_all(view, events, stop);
        mark_log_as_archived(view);
        add_recovery(view, stop);
        for (const ClusterRecord::Tablespace& space : cluster_.tablespaces) {
            if (is_elsewhere(space)) {
                data_.make_link("pg_tblspc/" + std::to_string(space.oid),
                                spaces_.at(space.oid)->path());
            }
        }
        tell_configuration(view, events);
    }

    void verify(SnapshotView& view, const TargetEvents& events,
                const std::stop_token& stop) override
    {
        const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
        while (auto entry = cursor->next()) {
            const std::optional<Place> place = place_of(entry->path);
            const bool is_ours = place && place->folder == &data_ &&
                                 (place->path == settings_file || place->path == control_file ||
                                  place->path == standby_file);
            if (has_content(*entry) && place && !is_ours) {
                compare(view, *entry, *place, events, stop);
            }
        }
    }

    void commit() override
    {
        data_.sync();
        for (const auto& [oid, folder] : spaces_) {
            folder->sync();
        }
        const FileDescriptor file = data_.make_file(control_file, file_mode());
        write_at(file.get(), 0, control_, control_file);
        if (::fsync(file.get()) != 0) {
            throw_system_error(errno, "cannot make the control file durable", data_.path(),
                               ErrorCode::target);
        }
        data_.sync_folder("global");
        data_.sync_folder("");
        committed_ = true;
        if (options_.start) {
            start_cluster({pg_ctl_, options_.start_options}, data_.path(), owner_, stop_);
        }
    }

    void abandon() noexcept override
    {
        if (committed_) {
            return;
        }
        for (const auto& [oid, folder] : spaces_) {
            folder->remove();
        }
        data_.remove();
    }

private:
    mode_t file_mode() const { return (cluster_.folder_mode & group_bits) != 0 ? 0640 : 0600; }

    /// In-place tablespaces lie within the data directory.
    static bool is_elsewhere(const ClusterRecord::Tablespace& space)
    {
        return space.location.front() == '/';
    }

    void take_tablespaces()
    {
        auto wanted = options_.tablespaces;
        for (const ClusterRecord::Tablespace& space : cluster_.tablespaces) {
            if (!is_elsewhere(space)) {
                continue;
            }
            const auto mapping =
                std::find_if(wanted.begin(), wanted.end(),
                             [&space](const auto& pair) { return pair.first == space.location; });
            std::string to = mapping != wanted.end() ? mapping->second : space.location;
            if (mapping != wanted.end()) {
                wanted.erase(mapping);
            }
            if (to.empty() || to.front() != '/') {
                throw Error(ErrorCode::invalid, "a tablespace goes to an absolute path", to);
            }
            for (const auto& [oid, folder] : spaces_) {
                if (folder->path() == to) {
                    throw Error(ErrorCode::invalid, "two tablespaces cannot share a folder", to);
                }
            }
            spaces_[space.oid] = std::make_unique<ClusterFolder>(std::move(to));
        }
        if (!wanted.empty()) {
            throw Error(ErrorCode::invalid, fmt::format("the backup has no tablespace at '{}'{}",
                                                        wanted.front().first, locations_text()));
        }
    }

    std::string locations_text() const
    {
        std::string text;
        for (const ClusterRecord::Tablespace& space : cluster_.tablespaces) {
            text += (text.empty() ? ": it has " : ", ") + space.location;
        }
        return text;
    }

    void plan_folder(const ClusterFolder& folder, const TargetEvents& events) const
    {
        if (!events.plan) {
            return;
        }
        if (folder.state() != ClusterFolder::State::filled) {
            events.plan({PlanStep::Kind::step, "create", folder.path(), 0, ""});
            return;
        }
        const char* advice = &folder == &data_
                                 ? "it is not empty: give a folder that is absent or empty"
                                 : "a tablespace was there and something is: map it elsewhere";
        events.plan({PlanStep::Kind::conflict, "keep", folder.path(), 0, advice});
    }

    void choose_owner(const TargetEvents& events)
    {
        if (!options_.owner.empty()) {
            owner_ = parse_owner(options_.owner);
            return;
        }
        if (::geteuid() != 0) {
            return;
        }
        owner_ = data_.owner();
        if (owner_.is_given && owner_.user != 0) {
            return;
        }
        owner_ = find_account("postgres").value_or(FileOwner{});
        if (!owner_.is_given && events.problem) {
            events.problem({ErrorCode::target, data_.path(),
                            "it belongs to root, as whom no server runs: give an owner"});
        }
    }

    std::optional<Place> place_of(const std::string& path)
    {
        if (path == "backup_manifest") {
            return Place{&data_, path, false};
        }
        if (path.starts_with("data/")) {
            return Place{&data_, path.substr(5), false};
        }
        if (path.starts_with("wal/")) {
            return Place{&data_, "pg_" + path, true};
        }
        if (path.starts_with("tablespaces/")) {
            return place_in_tablespace(path.substr(12));
        }
        return std::nullopt;
    }

    std::optional<Place> place_in_tablespace(const std::string& path)
    {
        std::uint32_t oid = 0;
        const auto [end, failed] = std::from_chars(path.data(), path.data() + path.size(), oid);
        const auto length = static_cast<std::size_t>(end - path.data());
        if (failed != std::errc() || length + 1 >= path.size() || path[length] != '/') {
            return std::nullopt;
        }
        if (const auto found = spaces_.find(oid); found != spaces_.end()) {
            return Place{found->second.get(), path.substr(length + 1), false};
        }
        return Place{&data_, "pg_tblspc/" + path, false};
    }

    void copy_all(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop)
    {
        BoundedQueue<Piece> queue(files_waiting);
        WorkerGroup workers(stop);
        for (unsigned i = 0; i < std::max(options_.threads, 1U); ++i) {
            workers.start("restore", [&](const std::stop_token& stopped) {
                while (const std::optional<Piece> piece = queue.pop(stopped)) {
                    copy_part(view, *piece, events, stopped);
                }
                throw_if_stopped(stopped);
            });
        }
        try {
            walk(view, events, queue, workers.stop_token());
        } catch (...) {
            workers.fail(std::current_exception());
        }
        queue.close();
        workers.join();
        if (control_.empty()) {
            throw Error(ErrorCode::damaged, "the backup has no control file: no server starts "
                                            "without it");
        }
    }

    void walk(SnapshotView& view, const TargetEvents& events, BoundedQueue<Piece>& queue,
              const std::stop_token& stop)
    {
        const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
        while (auto entry = cursor->next()) {
            throw_if_stopped(stop);
            const std::optional<Place> place = place_of(entry->path);
            if (!place || (place->folder == &data_ && place->path == standby_file)) {
                continue; // a copy is no standby of the original's primary
            }
            if (entry->kind == EntryKind::directory) {
                place->folder->make_folder(place->path, entry->mode.value_or(0700) & 07777);
            } else if (place->folder == &data_ && place->path == control_file) {
                control_ = read_all(view, *entry, most_of_control_file, stop);
            } else if (has_content(*entry)) {
                push_parts(std::move(*entry), *place, queue, stop);
                continue;
            } else if (!is_tablespace_link(*entry, *place)) {
                events.problem({ErrorCode::target, entry->path,
                                "a cluster has no such kind of file: it was left out"});
            }
            if (events.progress) {
                events.progress(1, 0, 0);
            }
        }
    }

    /// Links are made anew, to where the tablespaces go.
    bool is_tablespace_link(const Entry& entry, const Place& place) const
    {
        return entry.kind == EntryKind::symlink && place.folder == &data_ &&
               place.path.starts_with("pg_tblspc/");
    }

    /// Large files in parts, so that a cluster of one large table keeps all workers busy.
    static void push_parts(Entry entry, const Place& place, BoundedQueue<Piece>& queue,
                           const std::stop_token& stop)
    {
        const auto file = std::make_shared<FileInProgress>();
        file->entry = std::move(entry);
        file->place = place;
        const std::uint64_t size = file->entry.size;
        file->parts_left = std::max<std::uint64_t>((size + part_size - 1) / part_size, 1);
        std::uint64_t begin = 0;
        do {
            const std::uint64_t end = std::min(begin + part_size, size);
            queue.push({file, begin, end}, stop);
            begin = end;
        } while (begin < size);
    }

    void copy_part(SnapshotView& view, const Piece& piece, const TargetEvents& events,
                   const std::stop_token& stop) const
    {
        FileInProgress& file = *piece.file;
        std::call_once(file.made, [&] {
            file.file = file.place.folder->make_file(file.place.path,
                                                     file.entry.mode.value_or(0600) & 07777);
        });
        const auto stream = view.open_stream(file.entry);
        Bytes buffer(static_cast<std::size_t>(
            std::clamp<std::uint64_t>(piece.end - piece.begin, 1, piece_size)));
        for (std::uint64_t at = piece.begin; at < piece.end;) {
            const auto wanted =
                static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), piece.end - at));
            const std::size_t size =
                stream->read_at(at, MutableByteSpan(buffer).first(wanted), stop);
            if (size == 0) {
                throw Error(ErrorCode::damaged, "the file is shorter than the snapshot says",
                            file.entry.path);
            }
            write_at(file.file.get(), at, ByteSpan(buffer).first(size), file.entry.path);
            at += size;
            if (events.progress) {
                events.progress(0, size, 0);
            }
        }
        if (--file.parts_left == 0) {
            finish_file(file);
            if (events.progress) {
                events.progress(1, 0, 0);
            }
        }
    }

    /// The last segment of a standby's log was not whole yet: a server takes no shorter ones.
    void finish_file(FileInProgress& done) const
    {
        const Entry& entry = done.entry;
        const bool is_short = done.place.is_log && entry.size < cluster_.segment_size &&
                              !is_timeline_history_name(entry.path.substr(4));
        if (is_short &&
            ::ftruncate(done.file.get(), static_cast<off_t>(cluster_.segment_size)) != 0) {
            throw_system_error(errno, "cannot fill the segment up", entry.path, ErrorCode::target);
        }
        if (entry.modified) {
            const timespec time{entry.modified->seconds, entry.modified->nanoseconds};
            const timespec both[] = {time, time};
            ::futimens(done.file.get(), both); // a server does not look at them
        }
        done.file.close(entry.path);
    }

    /// So that a server that archives does not archive the original's log again.
    void mark_log_as_archived(SnapshotView& view)
    {
        data_.make_folder("pg_wal/archive_status", data_folder_mode());
        const auto cursor = view.walk("wal", SnapshotView::Depth::one_level);
        while (const auto entry = cursor->next()) {
            const bool is_whole = entry->size == cluster_.segment_size ||
                                  is_timeline_history_name(entry->path.substr(4));
            if (has_content(*entry) && is_whole) {
                data_.make_file("pg_wal/archive_status/" + entry->path.substr(4) + ".done",
                                file_mode());
            }
        }
    }

    mode_t data_folder_mode() const { return static_cast<mode_t>(cluster_.folder_mode); }

    void add_recovery(SnapshotView& view, const std::stop_token& stop)
    {
        const std::string added = recovery_settings(options_.recovery);
        if (const auto before = view.lookup(std::string("data/") + settings_file); before) {
            const Bytes there = read_all(view, *before, most_of_settings, stop);
            const FileDescriptor file = data_.open_file(settings_file);
            const bool is_open_line = !there.empty() && there.back() != '\n';
            write_at(file.get(), there.size(), as_bytes(is_open_line ? "\n" + added : added),
                     settings_file);
        } else {
            const FileDescriptor file = data_.make_file(settings_file, file_mode());
            write_at(file.get(), 0, as_bytes(added), settings_file);
        }
        data_.make_file("recovery.signal", file_mode());
    }

    void tell_configuration(SnapshotView& view, const TargetEvents& events) const
    {
        if (view.lookup("data/postgresql.conf") || !events.problem) {
            return;
        }
        const std::string& where = cluster_.configuration_file;
        events.problem({ErrorCode::target, "postgresql.conf",
                        fmt::format("the server kept its configuration outside of its data "
                                    "directory{}: it is not in this backup",
                                    where.empty() ? "" : " (" + where + ")")});
    }

    static void compare(SnapshotView& view, const Entry& entry, const Place& place,
                        const TargetEvents& events, const std::stop_token& stop)
    {
        const auto stream = view.open_stream(entry);
        const FileDescriptor file = place.folder->open_file(place.path);
        Bytes wanted(piece_size);
        Bytes there(piece_size);
        for (std::uint64_t at = 0; at < stream->size(); at += piece_size) {
            const std::size_t size = stream->read_at(at, wanted, stop);
            const std::size_t got =
                read_at(file.get(), at, MutableByteSpan(there).first(size), entry.path);
            if (got != size || !equal(ByteSpan(wanted).first(size), ByteSpan(there).first(size))) {
                events.problem(
                    {ErrorCode::target, entry.path, "differs from the snapshot: its content"});
                return;
            }
        }
    }

    const PostgresDirectoryOptions options_;
    ClusterRecord cluster_;
    ClusterFolder data_;
    std::map<std::uint32_t, std::unique_ptr<ClusterFolder>> spaces_; ///< by oid
    FileOwner owner_;
    Bytes control_; ///< written at last
    bool committed_ = false;
    std::string pg_ctl_;   ///< if it is to be started
    std::stop_token stop_; ///< of the restore
};

} // namespace

std::pair<std::string, std::string> parse_tablespace_mapping(const std::string& text)
{
    std::string from;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '=') {
            from += '=';
            ++i;
        } else if (text[i] == '=') {
            if (from.empty() || i + 1 == text.size()) {
                break;
            }
            return {from, text.substr(i + 1)};
        } else {
            from += text[i];
        }
    }
    throw Error(ErrorCode::invalid,
                "a mapping of a tablespace has the form OLD=NEW ('\\=' for a '=' in OLD)", text);
}

std::unique_ptr<Target> make_postgres_directory_target(PostgresDirectoryOptions options)
{
    return std::make_unique<PostgresDirectoryTarget>(std::move(options));
}

} // namespace backstay::core
