#include "target/directory_target_state.hpp"

#include <fmt/core.h>
#include <sys/statvfs.h>

namespace backstay::core
{

bool DirectoryTarget::State::is_empty_folder(const TargetPlace& place)
{
    const auto parent = place.folder->descriptor();
    const OpenedFolder folder = open_child_folder(parent->get(), place.name);
    return folder.descriptor && list_folder(folder.descriptor.get(), place.path()).empty();
}

bool DirectoryTarget::State::has_same_content(const Entry& entry, const struct stat& there) const
{
    return S_ISREG(there.st_mode) && static_cast<std::uint64_t>(there.st_size) == entry.size &&
           entry.modified && *entry.modified == modified_of(there);
}

DirectoryTarget::State::Finding DirectoryTarget::State::look_at_folder(const Entry& entry,
                                                                       const TargetPlace& place,
                                                                       const struct stat& there)
{
    const auto parent = place.folder->descriptor();
    std::string why;
    if (is_mount_point(parent->get(), place.name)) {
        why = "a mounted file system is in its place";
    } else if (!options_.delete_extra && !is_empty_folder(place)) {
        why = "a folder that is not empty is in its place; remove it, or restore with --delete";
    } else {
        return {Finding::Way::replace, there};
    }
    conflict(entry.path, why);
    return {Finding::Way::leave, there};
}

DirectoryTarget::State::Finding DirectoryTarget::State::look(const Entry& entry,
                                                             const TargetPlace& place)
{
    if (place.folder->origin() != Folder::Origin::found) {
        return {};
    }
    const auto there = stat_child(place.folder->descriptor()->get(), place.name, entry.path);
    if (!there) {
        return {};
    }
    const bool same_kind = is_of_kind(entry.kind, there->st_mode);
    if (options_.overwrite == Overwrite::never) {
        if (same_kind) {
            tell(PlanStep::Kind::step, "skip", entry.path, 0, "it is there already");
        } else {
            conflict(entry.path, "something of another kind is there, and stays");
        }
        return {Finding::Way::leave, there};
    }
    if (options_.overwrite == Overwrite::if_newer && entry.modified &&
        modified_of(*there) > *entry.modified) {
        tell(PlanStep::Kind::step, "skip", entry.path, 0, "what is there is newer");
        return {Finding::Way::leave, there};
    }
    if (S_ISDIR(there->st_mode)) {
        return look_at_folder(entry, place, *there);
    }
    if (leads_to_what_was_saved(entry, place, *there)) {
        conflict(entry.path, "a symlink to a folder is there, and stays: restore what the snapshot "
                             "has in it (SNAPSHOT:PATH) into the folder that it leads to");
        return {Finding::Way::leave, there};
    }
    return {Finding::Way::replace, there};
}

/// Folders above what was named to a backup have no times, and may have been reached by symlinks:
/// /lib, /home. To replace such a symlink would hide all else that it leads to.
bool DirectoryTarget::State::leads_to_what_was_saved(const Entry& entry, const TargetPlace& place,
                                                     const struct stat& there)
{
    if (entry.kind != EntryKind::directory || entry.modified || !S_ISLNK(there.st_mode)) {
        return false;
    }
    struct stat behind {
    };
    const auto parent = place.folder->descriptor();
    return fstatat(parent->get(), place.name.c_str(), &behind, 0) == 0 && S_ISDIR(behind.st_mode);
}

/// The word for what would happen to something that is there, without its bytes being read.
const char* DirectoryTarget::State::planned_update(const Entry& entry, const TargetPlace& place)
{
    const auto parent = place.folder->descriptor();
    const FileDescriptor there = open_by_path(parent->get(), place.name, entry.path);
    const Inode inode(there.get(), Inode::Access::path_only);
    return setter_.differences(inode, setter_.wanted(entry)).empty() ? "keep" : "update";
}

void DirectoryTarget::State::plan_entry(const Entry& entry, const TargetPlace& place)
{
    const Finding finding = look(entry, place);
    if (finding.way == Finding::Way::leave) {
        return;
    }
    const std::uint64_t bytes = is_file(entry.kind) ? entry.size : 0;
    if (finding.way == Finding::Way::make) {
        planned_bytes_ += bytes;
        tell(PlanStep::Kind::step, "create", entry.path, bytes);
        return;
    }
    const auto parent = place.folder->descriptor();
    const struct stat& there = *finding.there;
    const bool same = is_of_kind(entry.kind, there.st_mode) &&
                      (is_file(entry.kind) ? has_same_content(entry, there)
                       : entry.kind == EntryKind::symlink
                           ? read_symlink(parent->get(), place.name) == entry.link_target
                           : !is_device(entry.kind) || there.st_rdev == device_of(entry));
    if (same) {
        tell(PlanStep::Kind::step, planned_update(entry, place), entry.path);
        return;
    }
    planned_bytes_ += bytes;
    tell(PlanStep::Kind::step, "replace", entry.path, bytes);
}

void DirectoryTarget::State::tell_space()
{
    struct statvfs space {
    };
    std::string message = fmt::format("{} bytes to be written", planned_bytes_);
    if (root_ && fstatvfs(root_.get(), &space) == 0) {
        message += fmt::format(", {} free", space.f_bavail * space.f_frsize);
    }
    tell(PlanStep::Kind::space, "", "", planned_bytes_, message);
}

} // namespace backstay::core
