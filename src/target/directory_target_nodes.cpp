#include "target/directory_target_state.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

mode_t node_type(EntryKind kind)
{
    switch (kind) {
    case EntryKind::block_device:
        return S_IFBLK;
    case EntryKind::character_device:
        return S_IFCHR;
    case EntryKind::fifo:
        return S_IFIFO;
    default:
        return S_IFSOCK;
    }
}

} // namespace

bool is_device(EntryKind kind)
{
    return kind == EntryKind::block_device || kind == EntryKind::character_device;
}

dev_t device_of(const Entry& entry)
{
    return is_device(entry.kind) ? makedev(entry.device >> 32, entry.device & 0xffffffff) : 0;
}

FileDescriptor open_by_path(int folder, const std::string& name, const std::string& path)
{
    FileDescriptor thing(openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!thing) {
        throw_system_error(errno, "cannot open what was made", path, ErrorCode::target);
    }
    return thing;
}

int DirectoryTarget::State::make_node(const Entry& entry, int folder, const std::string& name)
{
    const int result =
        entry.kind == EntryKind::symlink
            ? symlinkat(entry.link_target.c_str(), folder, name.c_str())
            : mknodat(folder, name.c_str(), node_type(entry.kind) | 0600, device_of(entry));
    return result == 0 ? 0 : errno;
}

/// True if what is there is the same already; its attributes are set.
bool DirectoryTarget::State::update_node(const Entry& entry, const TargetPlace& place,
                                         const struct stat& there)
{
    const auto parent = place.folder->descriptor();
    const bool same = is_of_kind(entry.kind, there.st_mode) &&
                      (entry.kind == EntryKind::symlink
                           ? read_symlink(parent->get(), place.name) == entry.link_target
                           : !is_device(entry.kind) || there.st_rdev == device_of(entry));
    if (!same) {
        return false;
    }
    const FileDescriptor node = open_by_path(parent->get(), place.name, entry.path);
    const Inode inode(node.get(), Inode::Access::path_only);
    const Attributes wanted = setter_.wanted(entry);
    const bool shared = there.st_nlink > 1;
    if (shared && (!entry.link || !setter_.differences(inode, wanted).empty())) {
        return false;
    }
    setter_.apply(inode, wanted, AttributeSetter::Before::unknown, entry.path);
    return true;
}

void DirectoryTarget::State::make_node_at(const Entry& entry, const TargetPlace& place,
                                          bool replace)
{
    const auto parent = place.folder->descriptor();
    const std::string name = replace ? names_.next() : place.name;
    const int error = make_node(entry, parent->get(), name);
    if (error != 0) {
        throw_system_error(error, fmt::format("cannot make the {}", entry_kind_name(entry.kind)),
                           entry.path, ErrorCode::target);
    }
    try {
        {
            const FileDescriptor node = open_by_path(parent->get(), name, entry.path);
            const Inode inode(node.get(), Inode::Access::path_only);
            const struct stat made = inode.status();
            if (!is_of_kind(entry.kind, made.st_mode) || made.st_nlink != 1) {
                // Whoever may write here could have us give a file of ours away.
                throw Error(ErrorCode::target, "was replaced by another program meanwhile",
                            entry.path);
            }
            setter_.apply(inode, setter_.wanted(entry),
                          place.folder->inherits ? AttributeSetter::Before::unknown
                                                 : AttributeSetter::Before::bare,
                          entry.path);
        }
        if (replace) {
            put_in_place(parent->get(), name, place.name, entry.path, file_context_.rules);
        }
    } catch (const Error&) {
        unlinkat(parent->get(), name.c_str(), 0);
        throw;
    }
}

void DirectoryTarget::State::begin_node(const Entry& entry, const TargetPlace& place)
{
    if (entry.link_target.find('\0') != std::string::npos) {
        throw Error(ErrorCode::damaged, "its target has a NUL byte", entry.path);
    }
    const LinkWish wish{place, setter_.wanted(entry), 0};
    if (entry.link) {
        const LinkGroups::Joined joined = links_.join(*entry.link, wish);
        if (joined.role == LinkGroups::Role::another) {
            make_link(joined.made_as, wish);
        }
        if (joined.role != LinkGroups::Role::first) {
            return;
        }
    }
    try {
        const Finding finding = look(entry, place);
        if (finding.way == Finding::Way::leave) {
            first_failed(entry.link);
            return;
        }
        const bool replace = finding.way == Finding::Way::replace;
        if (!replace || !update_node(entry, place, *finding.there)) {
            make_node_at(entry, place, replace);
        }
        progress(1, 0, 0);
        first_is_made(entry.link, place);
    } catch (const Error& error) {
        first_failed(entry.link);
        if (!is_device(entry.kind) || error.system_error() != EPERM) {
            throw;
        }
        shortfalls_.add("a device was not made", entry.path, EPERM);
    }
}

} // namespace backstay::core
