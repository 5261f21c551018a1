#include "target/postgres/cluster_delta.hpp"

#include "base/error.hpp"
#include "base/real_place.hpp"
#include "base/worker_group.hpp"
#include "postgres/log_file.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <optional>

namespace backstay::core
{

namespace
{

constexpr const char* hidden_control_file = "global/pg_control.backstay";
constexpr const char* lock_file = "postmaster.pid";
constexpr const char* archive_status = "pg_wal/archive_status";
constexpr const char* waiting_suffix = ".ready";

std::string joined(const std::string& folder, const std::string& name)
{
    return folder.empty() ? name : folder + "/" + name;
}

bool is_of_kind(ClusterFolder::Kind there, EntryKind wanted)
{
    switch (there) {
    case ClusterFolder::Kind::folder:
        return wanted == EntryKind::directory;
    case ClusterFolder::Kind::file:
        return wanted == EntryKind::file || wanted == EntryKind::image;
    default:
        return false;
    }
}

/// Segments that the server was to archive and did not; pg_wal may be a link to another disk.
std::size_t segments_not_archived(const ClusterFolder& data)
{
    ClusterFolder status(data.path() + "/" + archive_status);
    if (status.state() == ClusterFolder::State::absent) {
        return 0;
    }
    status.adopt();
    const auto names = status.list("");
    return static_cast<std::size_t>(std::count_if(names.begin(), names.end(), [](const auto& item) {
        return item.first.ends_with(waiting_suffix);
    }));
}

/// Also where that cannot be told.
bool may_lie_within(const std::string& path, const std::string& folder)
{
    const std::optional<std::string> place = real_place(path);
    const std::optional<std::string> above = real_place(folder);
    return !place || !above || above->empty() || (*place + "/").starts_with(*above + "/");
}

} // namespace

std::string ClusterDelta::objection(const ClusterFolder& folder) const
{
    return &folder == &layout_.data() ? objection_to_data() : objection_to_tablespace(folder);
}

std::string ClusterDelta::objection_to_data() const
{
    const ClusterFolder& data = layout_.data();
    const bool is_hidden = data.has(hidden_control_file);
    if (!is_hidden && !data.has(control_file_name)) {
        return "it is neither empty nor a cluster: there is no global/pg_control";
    }
    const std::string control = is_hidden ? hidden_control_file : control_file_name;
    const std::string system_id = std::to_string(read_system_id(data.path() + "/" + control));
    if (system_id != cluster_.system_id) {
        return fmt::format("it is another cluster (system {}) than the one in the backup "
                           "(system {})",
                           system_id, cluster_.system_id);
    }
    if (data.has(lock_file)) {
        return "a server runs on it (there is a postmaster.pid): stop it, or remove that file if "
               "it surely does not run";
    }
    if (const std::size_t waiting = segments_not_archived(data); waiting > 0) {
        return fmt::format("{} segment(s) of its log were not archived yet and would be lost: push "
                           "those that pg_wal/archive_status names .ready, and remove these files",
                           waiting);
    }
    return {};
}

std::string ClusterDelta::objection_to_tablespace(const ClusterFolder& folder) const
{
    if (may_lie_within(folder.path(), layout_.data().path())) {
        return "a tablespace in the cluster's own folder would be removed with what the backup has "
               "not: map it elsewhere";
    }
    if (!folder.is_adopted()) {
        return {};
    }
    for (const auto& [oid, space] : layout_.spaces()) {
        const std::string link = "pg_tblspc/" + std::to_string(oid);
        if (space.get() == &folder && layout_.data().link_target(link) == folder.path()) {
            return {};
        }
    }
    return "it is not empty, and not a tablespace of the cluster that is there: map it elsewhere";
}

void ClusterDelta::hide() const
{
    const ClusterFolder& data = layout_.data();
    if (data.has(control_file_name)) {
        // Beside a hidden one it is an interrupted restore's, and perhaps not whole.
        if (data.has(hidden_control_file)) {
            data.remove(control_file_name, {});
        } else {
            data.rename(control_file_name, hidden_control_file);
        }
        data.sync_folder("global");
    }
}

void ClusterDelta::forget_old_control_file() const
{
    layout_.data().remove(hidden_control_file, {});
    layout_.data().sync_folder("global");
}

std::vector<ClusterDelta::Surplus> ClusterDelta::surplus(SnapshotView& view,
                                                         const std::stop_token& stop) const
{
    std::vector<Surplus> found;
    look_into(view, layout_.data(), "", found, stop);
    for (const auto& [oid, folder] : layout_.spaces()) {
        if (folder->state() == ClusterFolder::State::filled) {
            look_into(view, *folder, "", found, stop);
        }
    }
    return found;
}

std::uint64_t ClusterDelta::growth(SnapshotView& view, const std::stop_token& stop) const
{
    std::uint64_t bytes = 0;
    const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
    while (const std::optional<Entry> entry = cursor->next()) {
        throw_if_stopped(stop);
        const std::optional<ClusterLayout::Place> place = layout_.place_of(entry->path);
        if (place && is_of_kind(ClusterFolder::Kind::file, entry->kind)) {
            const std::uint64_t there =
                place->folder->is_adopted() ? place->folder->own_file_size(place->path) : 0;
            bytes += entry->size - std::min(entry->size, there);
        }
    }
    return bytes;
}

void ClusterDelta::look_into(SnapshotView& view, const ClusterFolder& folder,
                             const std::string& path, std::vector<Surplus>& found,
                             const std::stop_token& stop) const
{
    throw_if_stopped(stop);
    const Kinds wanted = wanted_in(view, folder, path);
    for (const auto& [name, kind] : folder.list(path)) {
        const std::string there = joined(path, name);
        const auto known = wanted.find(name);
        if (stays(folder, there)) {
            continue;
        }
        if (known == wanted.end() || !is_of_kind(kind, known->second)) {
            found.push_back({&folder, there});
        } else if (kind == ClusterFolder::Kind::folder) {
            look_into(view, folder, there, found, stop);
        }
    }
}

/// What a folder is to hold, by the entries of the snapshot that have their place in it.
ClusterDelta::Kinds ClusterDelta::wanted_in(SnapshotView& view, const ClusterFolder& folder,
                                            const std::string& path) const
{
    Kinds kinds;
    for (const std::string& source : sources_of(folder, path)) {
        if (!view.lookup(source)) {
            continue;
        }
        const auto cursor = view.walk(source, SnapshotView::Depth::one_level);
        while (const std::optional<Entry> entry = cursor->next()) {
            const std::optional<ClusterLayout::Place> place = layout_.place_of(entry->path);
            const std::string name = entry->path.substr(entry->path.rfind('/') + 1);
            if (place && place->folder == &folder && place->path == joined(path, name)) {
                kinds[name] = entry->kind;
            }
        }
    }
    return kinds;
}

/// The snapshot's folders whose entries may have their place in this one.
std::vector<std::string> ClusterDelta::sources_of(const ClusterFolder& folder,
                                                  const std::string& path) const
{
    for (const auto& [oid, space] : layout_.spaces()) {
        if (space.get() == &folder) {
            return {joined("tablespaces/" + std::to_string(oid), path)};
        }
    }
    if (path.empty()) {
        return {"data", ""};
    }
    if (path == "pg_wal") {
        return {"data/pg_wal", "wal"};
    }
    if (path == "pg_tblspc" || path.starts_with("pg_tblspc/")) {
        return {"data/" + path, "tablespaces" + path.substr(std::string("pg_tblspc").size())};
    }
    return {"data/" + path};
}

/// What is no file of the state that was there: the old control file, links to tablespaces (made
/// anew only where they lead elsewhere), and what lies in a tablespace's folder beside the
/// version's own.
bool ClusterDelta::stays(const ClusterFolder& folder, const std::string& path) const
{
    if (&folder != &layout_.data()) {
        return path.find('/') == std::string::npos &&
               !path.starts_with(fmt::format("PG_{}_", cluster_.version / 10000));
    }
    if (path == hidden_control_file) {
        return true;
    }
    return std::any_of(layout_.spaces().begin(), layout_.spaces().end(), [&](const auto& space) {
        return path == "pg_tblspc/" + std::to_string(space.first);
    });
}

} // namespace backstay::core
