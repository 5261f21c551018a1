#include "target/directory_target_state.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

/// Puts a folder that is there on the stack, ready to be filled, and remembers what it is to
/// become.
void DirectoryTarget::State::take_folder(const Entry& entry, std::shared_ptr<Folder> folder,
                                         bool names_kept)
{
    WaitingFolder waiting;
    waiting.entry = entry;
    waiting.entry.content = {};
    waiting.entry.subtree.reset();
    const bool is_new = folder->origin() == Folder::Origin::made;
    if (!is_new && options_.overwrite == Overwrite::never) {
        waiting.wanted = WaitingFolder::Wanted::as_found;
    }
    const auto descriptor = folder->descriptor();
    const Inode inode(descriptor->get());
    if (!is_new || stack_.top().folder->inherits) {
        if (is_new) {
            inode.remove_xattr("system.posix_acl_default");
            inode.remove_xattr("system.posix_acl_access");
            if (entry.mode) {
                inode.set_mode(0700); // which the ACL may have narrowed
            }
        }
        folder->inherits = AttributeSetter::passes_on(inode);
        waiting.locks = AttributeSetter::unlock(inode);
    }
    const struct stat status = inode.status();
    file_systems_.add(descriptor->get(), status.st_dev);
    if (!is_new && (status.st_mode & 0700) != 0700 && status.st_uid == geteuid() &&
        geteuid() != 0) {
        waiting.mode = status.st_mode & 07777;
        inode.set_mode(*waiting.mode | 0700);
    }
    folders_.add(waiting);
    stack_.push(std::move(folder), entry.path, names_kept);
    progress(1, 0, 0);
}

void DirectoryTarget::State::begin_root(const Entry& entry)
{
    std::shared_ptr<Folder> root = stack_.top().folder;
    if (entry.kind != EntryKind::directory) {
        throw Error(ErrorCode::invalid,
                    "only a folder can be restored into a folder; use its name, too", entry.path);
    }
    stack_.top().names_kept = options_.delete_extra && root->origin() == Folder::Origin::found;
    if (options_.dry_run) {
        return;
    }
    WaitingFolder waiting;
    waiting.entry = entry;
    waiting.entry.content = {};
    waiting.entry.subtree.reset();
    const bool has_attributes = entry.mode || entry.user_id || entry.modified;
    if (options_.overwrite == Overwrite::never || !has_attributes) {
        waiting.wanted = WaitingFolder::Wanted::as_found;
    }
    const Inode inode(root_.get());
    root->inherits = AttributeSetter::passes_on(inode);
    waiting.locks = AttributeSetter::unlock(inode);
    folders_.add(waiting);
    progress(has_attributes ? 1 : 0, 0, 0);
}

void DirectoryTarget::State::begin_folder(const Entry& entry, const TargetPlace& place)
{
    const bool looks = place.folder->origin() == Folder::Origin::found;
    const auto there = looks ? stat_child(place.folder->descriptor()->get(), place.name, entry.path)
                             : std::nullopt;
    if (there && S_ISDIR(there->st_mode)) {
        auto folder = std::make_shared<Folder>(folder_descriptors_, place.folder, place.name,
                                               Folder::Origin::found);
        if (options_.dry_run) {
            tell(PlanStep::Kind::step,
                 options_.overwrite == Overwrite::never ? "keep" : planned_update(entry, place),
                 entry.path);
            stack_.push(std::move(folder), entry.path, options_.delete_extra);
            return;
        }
        const auto parent = place.folder->descriptor();
        OpenedFolder opened = open_child_folder(parent->get(), place.name);
        if (!opened.descriptor) {
            throw_system_error(opened.error, "cannot open the folder", entry.path,
                               ErrorCode::target);
        }
        folder->keep_open(std::move(opened.descriptor));
        take_folder(entry, std::move(folder), options_.delete_extra);
        return;
    }
    const Finding finding = look(entry, place);
    if (finding.way == Finding::Way::leave) {
        refuse_below(entry.path);
        return;
    }
    if (options_.dry_run) {
        tell(PlanStep::Kind::step, there ? "replace" : "create", entry.path);
        stack_.push(std::make_shared<Folder>(folder_descriptors_, place.folder, place.name,
                                             Folder::Origin::missing),
                    entry.path, false);
        return;
    }
    if (there) {
        remove_in_the_way(place.folder->descriptor()->get(), place.name, entry.path);
    }
    make_folder(entry, place);
}

void DirectoryTarget::State::make_folder(const Entry& entry, const TargetPlace& place)
{
    const auto parent = place.folder->descriptor();
    // Nobody else gets in before it is finished.
    if (mkdirat(parent->get(), place.name.c_str(), entry.mode ? 0700 : 0777) != 0) {
        throw_system_error(errno, "cannot make the folder", entry.path, ErrorCode::target);
    }
    auto folder = std::make_shared<Folder>(folder_descriptors_, place.folder, place.name,
                                           Folder::Origin::made);
    OpenedFolder opened = open_child_folder(parent->get(), place.name);
    if (!opened.descriptor) {
        throw_system_error(opened.error, "cannot open the folder", entry.path, ErrorCode::target);
    }
    folder->keep_open(std::move(opened.descriptor));
    take_folder(entry, std::move(folder), false);
}

void DirectoryTarget::State::finish_folder(const WaitingFolder& folder)
{
    guarded(folder.entry.path, [&] {
        OpenedFolder opened = open_folder_below(root_.get(), folder.entry.path);
        if (!opened.descriptor) {
            throw_system_error(opened.error, "cannot open the folder again", folder.entry.path,
                               ErrorCode::target);
        }
        const Inode inode(opened.descriptor.get());
        if (folder.wanted == WaitingFolder::Wanted::as_found) {
            put_folder_back(folder);
            return;
        }
        const Attributes wanted = setter_.wanted(folder.entry);
        std::uint64_t locks =
            setter_.apply(inode, wanted, AttributeSetter::Before::unknown, folder.entry.path);
        if (!wanted.file_flags && folder.origin == WaitingFolder::Origin::found) {
            locks = folder.locks;
        }
        if (locks != 0) {
            setter_.lock(inode, locks, folder.entry.path);
        }
    });
}

/// Undoes what taking the folder changed.
void DirectoryTarget::State::put_folder_back(const WaitingFolder& folder)
{
    if (!folder.mode && folder.locks == 0) {
        return;
    }
    const OpenedFolder opened = open_folder_below(root_.get(), folder.entry.path);
    if (!opened.descriptor) {
        return;
    }
    const Inode inode(opened.descriptor.get());
    if (folder.mode) {
        inode.set_mode(*folder.mode);
    }
    if (folder.locks != 0) {
        setter_.lock(inode, folder.locks, folder.entry.path);
    }
}

} // namespace backstay::core
