#include "target/postgres/cluster_target.hpp"

#include "base/worker_group.hpp"
#include "postgres/log_file.hpp"
#include "postgres/log_position.hpp"
#include "target/postgres/cluster_copy.hpp"
#include "target/postgres/cluster_delta.hpp"
#include "target/postgres/cluster_start.hpp"

#include <fmt/core.h>
#include <optional>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t piece_size = 1 * MiB;
constexpr std::size_t most_of_control_file = 64 * KiB;
constexpr std::size_t most_of_settings = 64 * MiB;
constexpr mode_t group_bits = 0050;
constexpr const char* settings_file = "postgresql.auto.conf";

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

class PostgresDirectoryTarget final : public Target
{
public:
    explicit PostgresDirectoryTarget(PostgresDirectoryOptions options)
        : options_(std::move(options))
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
        layout_.emplace(options_.directory, cluster_, options_.tablespaces);
        if (options_.delta && layout_->data().state() == ClusterFolder::State::filled) {
            plan_delta(view, events, stop);
            return;
        }
        plan_folder(layout_->data(), events);
        for (const auto& [oid, folder] : layout_->spaces()) {
            plan_folder(*folder, events);
        }
        plan_room(view, events);
    }

    void run(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop) override
    {
        stop_ = stop;
        choose_owner(events);
        layout_->data().make(cluster_.folder_mode, owner_);
        for (const auto& [oid, folder] : layout_->spaces()) {
            folder->make(0700, owner_);
        }
        if (delta_) {
            begin_delta(stop);
        }
        layout_->data().make_folder("pg_tblspc", cluster_.folder_mode);
        for (const auto& [oid, folder] : layout_->spaces()) {
            layout_->data().make_link("pg_tblspc/" + std::to_string(oid), folder->path());
        }
        if (delta_) {
            layout_->data().sync_folder("pg_tblspc"); // by its links the next attempt goes on
        }
        copy_all(view, events, stop);
        mark_log_as_archived(view);
        add_recovery(view, stop);
        tell_configuration(view, events);
    }

    void verify(SnapshotView& view, const TargetEvents& events,
                const std::stop_token& stop) override
    {
        const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
        while (auto entry = cursor->next()) {
            const std::optional<Place> place = layout_->place_of(entry->path);
            if (has_content(*entry) && place && !is_ours(*place)) {
                compare(view, *entry, *place, events, stop);
            }
        }
    }

    void commit() override
    {
        ClusterFolder& data = layout_->data();
        data.sync();
        for (const auto& [oid, folder] : layout_->spaces()) {
            folder->sync();
        }
        const FileDescriptor file = data.make_file(control_file_name, file_mode());
        write_at(file.get(), 0, control_, control_file_name);
        if (::fsync(file.get()) != 0) {
            throw_system_error(errno, "cannot make the control file durable", data.path(),
                               ErrorCode::target);
        }
        data.sync_folder("global");
        data.sync_folder("");
        committed_ = true;
        if (delta_) {
            delta_->forget_old_control_file();
        }
        if (options_.start) {
            start_cluster({pg_ctl_, options_.start_options}, data.path(), owner_, stop_);
        }
    }

    void abandon() noexcept override
    {
        if (committed_ || !layout_) {
            return;
        }
        for (const auto& [oid, folder] : layout_->spaces()) {
            folder->remove();
        }
        layout_->data().remove();
    }

private:
    using Place = ClusterLayout::Place;

    mode_t file_mode() const { return (cluster_.folder_mode & group_bits) != 0 ? 0640 : 0600; }

    void plan_folder(const ClusterFolder& folder, const TargetEvents& events) const
    {
        if (!events.plan) {
            return;
        }
        if (folder.state() != ClusterFolder::State::filled) {
            events.plan({PlanStep::Kind::step, "create", folder.path(), 0, ""});
            return;
        }
        const char* advice = &folder == &layout_->data()
                                 ? "it is not empty: give a folder that is absent or empty"
                                 : "a tablespace was there and something is: map it elsewhere";
        events.plan({PlanStep::Kind::conflict, "keep", folder.path(), 0, advice});
    }

    static void plan_room(SnapshotView& view, const TargetEvents& events)
    {
        const auto self = view.lookup("");
        if (events.plan && self && self->subtree) {
            events.plan({PlanStep::Kind::space, "", "", self->subtree->bytes, ""});
        }
    }

    void plan_delta(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop)
    {
        layout_->data().adopt();
        delta_.emplace(*layout_, cluster_);
        bool may_go_on = plan_change(layout_->data(), events);
        for (const auto& [oid, folder] : layout_->spaces()) {
            if (folder->state() == ClusterFolder::State::filled) {
                folder->adopt();
            }
            may_go_on = plan_change(*folder, events) && may_go_on;
        }
        if (!may_go_on) {
            return;
        }
        surplus_ = delta_->surplus(view, stop);
        if (!events.plan) {
            return;
        }
        for (const ClusterDelta::Surplus& one : surplus_) {
            events.plan(
                {PlanStep::Kind::step, "remove", one.folder->path() + "/" + one.path, 0, ""});
        }
        events.plan({PlanStep::Kind::space, "", "", delta_->growth(view, stop), ""});
    }

    /// Whether the folder may be changed, or made.
    bool plan_change(const ClusterFolder& folder, const TargetEvents& events) const
    {
        const std::string objection = delta_->objection(folder);
        const char* action = folder.is_adopted() ? "update" : "create";
        if (events.plan && objection.empty()) {
            events.plan({PlanStep::Kind::step, action, folder.path(), 0, ""});
        } else if (events.plan) {
            events.plan({PlanStep::Kind::conflict, "keep", folder.path(), 0, objection});
        }
        return objection.empty();
    }

    void begin_delta(const std::stop_token& stop) const
    {
        delta_->hide();
        for (const ClusterDelta::Surplus& one : surplus_) {
            one.folder->remove(one.path, stop);
        }
    }

    void choose_owner(const TargetEvents& events)
    {
        if (!options_.owner.empty()) {
            owner_ = parse_file_owner(options_.owner);
            return;
        }
        if (::geteuid() != 0) {
            return;
        }
        owner_ = layout_->data().owner();
        if (owner_.is_given && owner_.user != 0) {
            return;
        }
        owner_ = find_file_owner("postgres").value_or(FileOwner{});
        if (!owner_.is_given && events.problem) {
            events.problem({ErrorCode::target, layout_->data().path(),
                            "it belongs to root, as whom no server runs: give an owner"});
        }
    }

    void copy_all(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop)
    {
        ClusterCopy copy(view, events, options_.threads, cluster_.segment_size, stop);
        try {
            walk(view, events, copy, copy.stop_token());
        } catch (...) {
            copy.finish(std::current_exception());
        }
        copy.finish();
        if (control_.empty()) {
            throw Error(ErrorCode::damaged, "the backup has no control file: no server starts "
                                            "without it");
        }
    }

    void walk(SnapshotView& view, const TargetEvents& events, ClusterCopy& copy,
              const std::stop_token& stop)
    {
        const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
        while (auto entry = cursor->next()) {
            throw_if_stopped(stop);
            std::optional<Place> place = layout_->place_of(entry->path);
            if (!place) {
                continue;
            }
            if (entry->kind == EntryKind::directory) {
                place->folder->make_folder(place->path, entry->mode.value_or(0700) & 07777);
            } else if (layout_->is_data(*place, control_file_name)) {
                control_ = read_all(view, *entry, most_of_control_file, stop);
            } else if (has_content(*entry)) {
                copy.add(std::move(*entry), std::move(*place));
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

    /// What is not as the snapshot has it.
    bool is_ours(const Place& place) const
    {
        return layout_->is_data(place, settings_file) || layout_->is_data(place, control_file_name);
    }

    /// Links are made anew, to where the tablespaces go.
    bool is_tablespace_link(const Entry& entry, const Place& place) const
    {
        return entry.kind == EntryKind::symlink && place.folder == &layout_->data() &&
               place.path.starts_with("pg_tblspc/");
    }

    /// So that a server that archives does not archive the original's log again.
    void mark_log_as_archived(SnapshotView& view)
    {
        const ClusterFolder& data = layout_->data();
        data.make_folder("pg_wal/archive_status", static_cast<mode_t>(cluster_.folder_mode));
        const auto cursor = view.walk("wal", SnapshotView::Depth::one_level);
        while (const auto entry = cursor->next()) {
            const bool is_whole = entry->size == cluster_.segment_size ||
                                  is_timeline_history_name(entry->path.substr(4));
            if (has_content(*entry) && is_whole) {
                data.make_file("pg_wal/archive_status/" + entry->path.substr(4) + ".done",
                               file_mode());
            }
        }
    }

    void add_recovery(SnapshotView& view, const std::stop_token& stop)
    {
        const ClusterFolder& data = layout_->data();
        const std::string added = recovery_settings(options_.recovery);
        if (const auto before = view.lookup(std::string("data/") + settings_file); before) {
            const Bytes there = read_all(view, *before, most_of_settings, stop);
            const FileDescriptor file = data.open_file(settings_file);
            const bool is_open_line = !there.empty() && there.back() != '\n';
            write_at(file.get(), there.size(), as_bytes(is_open_line ? "\n" + added : added),
                     settings_file);
        } else {
            const FileDescriptor file = data.make_file(settings_file, file_mode());
            write_at(file.get(), 0, as_bytes(added), settings_file);
        }
        data.make_file("recovery.signal", file_mode());
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
    std::optional<ClusterLayout> layout_;        ///< from plan() on
    std::optional<ClusterDelta> delta_;          ///< if it goes into a cluster that is there
    std::vector<ClusterDelta::Surplus> surplus_; ///< of it, from plan() on
    FileOwner owner_;
    Bytes control_; ///< written at last
    bool committed_ = false;
    std::string pg_ctl_;   ///< if it is to be started
    std::stop_token stop_; ///< of the restore
};

} // namespace

std::unique_ptr<Target> make_postgres_directory_target(PostgresDirectoryOptions options)
{
    return std::make_unique<PostgresDirectoryTarget>(std::move(options));
}

} // namespace backstay::core
