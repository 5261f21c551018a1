#include "target/postgres/cluster_folder.hpp"

#include "base/error.hpp"
#include "target/safe_folder.hpp"
#include "target/tree_removal.hpp"

#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

/// It may be written in place.
bool is_own(const struct stat& status)
{
    return S_ISREG(status.st_mode) && status.st_nlink == 1;
}

} // namespace

ClusterFolder::State ClusterFolder::state() const
{
    const FileDescriptor folder(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) {
        if (errno == ENOENT) {
            return State::absent;
        }
        throw_system_error(errno, "cannot look into the folder", path_, ErrorCode::target);
    }
    return list_folder(folder.get(), path_).empty() ? State::empty : State::filled;
}

FileOwner ClusterFolder::owner() const
{
    struct stat status {
    };
    if (::stat(path_.c_str(), &status) != 0) {
        return {};
    }
    return {status.st_uid, status.st_gid, true};
}

void ClusterFolder::adopt()
{
    folder_ = open_root_folder(path_, false);
    is_adopted_ = true;
}

void ClusterFolder::make(mode_t mode, const FileOwner& owner)
{
    owner_ = owner;
    if (!is_adopted_) {
        was_made_ = state() == State::absent;
        folder_ = open_root_folder(path_, true);
    }
    if (::fchmod(folder_.get(), mode) != 0) {
        throw_system_error(errno, "cannot set the mode", path_, ErrorCode::target);
    }
    give(folder_.get(), "");
}

void ClusterFolder::give(int descriptor, const std::string& path) const
{
    if (owner_.is_given && ::fchown(descriptor, owner_.user, owner_.group) != 0) {
        throw_system_error(errno, "cannot set the owner", full(path), ErrorCode::target);
    }
}

void ClusterFolder::make_folder(const std::string& path, mode_t mode) const
{
    if (::mkdirat(folder_.get(), path.c_str(), mode) != 0 && errno != EEXIST) {
        throw_system_error(errno, "cannot make the folder", full(path), ErrorCode::target);
    }
    const OpenedFolder made = open_folder_below(folder_.get(), path);
    if (!made.descriptor || ::fchmod(made.descriptor.get(), mode) != 0) {
        throw_system_error(made.descriptor ? errno : made.error, "cannot make the folder",
                           full(path), ErrorCode::target);
    }
    give(made.descriptor.get(), path);
}

FileDescriptor ClusterFolder::make_file(const std::string& path, mode_t mode) const
{
    FileDescriptor file(::openat(folder_.get(), path.c_str(),
                                 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file || ::fchmod(file.get(), mode) != 0) {
        throw_system_error(errno, "cannot make the file", full(path), ErrorCode::target);
    }
    give(file.get(), path);
    return file;
}

FileDescriptor ClusterFolder::open_file(const std::string& path) const
{
    FileDescriptor file(
        ::openat(folder_.get(), path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!file) {
        throw_system_error(errno, "cannot open the file", full(path), ErrorCode::target);
    }
    return file;
}

FileDescriptor ClusterFolder::open_direct(const std::string& path) const
{
    return FileDescriptor(
        ::openat(folder_.get(), path.c_str(), O_WRONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC));
}

std::uint64_t ClusterFolder::own_file_size(const std::string& path) const
{
    const SplitPath split = split_path(path);
    const OpenedFolder parent = open_folder_below(folder_.get(), split.parent);
    if (!parent.descriptor) {
        return 0; // absent, or what is there is no folder and goes
    }
    const std::optional<struct stat> status =
        stat_child(parent.descriptor.get(), std::string(split.name), full(path));
    return status && is_own(*status) ? static_cast<std::uint64_t>(status->st_size) : 0;
}

FileDescriptor ClusterFolder::open_own_file(const std::string& path, mode_t mode) const
{
    FileDescriptor file(
        ::openat(folder_.get(), path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    struct stat status {
    };
    if (!file && errno == ENOENT) {
        return file;
    }
    if (!file || ::fstat(file.get(), &status) != 0 || !is_own(status)) {
        remove(path, {});
        return {};
    }
    if (::fchmod(file.get(), mode) != 0) {
        throw_system_error(errno, "cannot set the mode", full(path), ErrorCode::target);
    }
    give(file.get(), path);
    return file;
}

void ClusterFolder::make_link(const std::string& path, const std::string& to) const
{
    const std::string before = link_target(path);
    if (!before.empty() && before != to) {
        remove(path, {});
    }
    if (before != to && ::symlinkat(to.c_str(), folder_.get(), path.c_str()) != 0) {
        throw_system_error(errno, "cannot make the link", full(path), ErrorCode::target);
    }
    if (owner_.is_given && ::fchownat(folder_.get(), path.c_str(), owner_.user, owner_.group,
                                      AT_SYMLINK_NOFOLLOW) != 0) {
        throw_system_error(errno, "cannot set the owner", full(path), ErrorCode::target);
    }
}

std::vector<std::pair<std::string, ClusterFolder::Kind>>
ClusterFolder::list(const std::string& path) const
{
    std::vector<std::pair<std::string, Kind>> items;
    const OpenedFolder folder = open_folder_below(folder_.get(), path);
    if (!folder.descriptor) {
        if (folder.error == ENOENT) {
            return items;
        }
        throw_system_error(folder.error, "cannot look into the folder", full(path),
                           ErrorCode::target);
    }
    for (std::string& name : list_folder(folder.descriptor.get(), full(path))) {
        const std::optional<struct stat> status =
            stat_child(folder.descriptor.get(), name, full(path) + "/" + name);
        if (status) {
            const Kind kind = S_ISREG(status->st_mode)   ? Kind::file
                              : S_ISDIR(status->st_mode) ? Kind::folder
                                                         : Kind::other;
            items.emplace_back(std::move(name), kind);
        }
    }
    return items;
}

bool ClusterFolder::has(const std::string& path) const
{
    return stat_child(folder_.get(), path, full(path)).has_value();
}

std::string ClusterFolder::link_target(const std::string& path) const
{
    std::string target(PATH_MAX, '\0');
    const ssize_t size = ::readlinkat(folder_.get(), path.c_str(), target.data(), target.size());
    target.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return target;
}

void ClusterFolder::rename(const std::string& from, const std::string& to) const
{
    if (::renameat(folder_.get(), from.c_str(), folder_.get(), to.c_str()) != 0) {
        throw_system_error(errno, "cannot rename the file", full(from), ErrorCode::target);
    }
}

void ClusterFolder::remove(const std::string& path, const std::stop_token& stop) const
{
    const SplitPath split = split_path(path);
    const OpenedFolder parent = open_folder_below(folder_.get(), split.parent);
    const auto failed = [](const std::string& what, const std::string& message) {
        throw Error(ErrorCode::target, "cannot remove what the backup has not: " + message, what);
    };
    if (!parent.descriptor) {
        throw_system_error(parent.error, "cannot look into the folder", full(path),
                           ErrorCode::target);
    }
    remove_tree(parent.descriptor.get(), std::string(split.name), full(path), failed, stop);
}

void ClusterFolder::sync() const
{
    if (::syncfs(folder_.get()) != 0) {
        throw_system_error(errno, "cannot make what was written durable", path_, ErrorCode::target);
    }
}

void ClusterFolder::sync_folder(const std::string& path) const
{
    const OpenedFolder folder = open_folder_below(folder_.get(), path);
    if (!folder.descriptor || ::fsync(folder.descriptor.get()) != 0) {
        throw_system_error(folder.descriptor ? errno : folder.error,
                           "cannot make the folder durable", full(path), ErrorCode::target);
    }
}

void ClusterFolder::remove() noexcept
{
    if (!folder_ || is_adopted_) {
        return;
    }
    try {
        const auto ignored = [](const std::string&, const std::string&) {};
        for (const std::string& name : list_folder(folder_.get(), path_)) {
            remove_tree(folder_.get(), name, full(name), ignored, {});
        }
        if (was_made_) {
            ::rmdir(path_.c_str());
        }
    } catch (...) {
        // What could not be removed has no control file, so no server starts on it.
    }
    folder_ = FileDescriptor();
}

} // namespace backstay::core
