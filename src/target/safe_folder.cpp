#include "target/safe_folder.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <memory>
#include <sys/syscall.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

/// Room for the final NUL, and some more.
constexpr std::size_t longest_step = PATH_MAX - 16;

/// Enough to reach what is inside, where a folder may be searched but not listed.
constexpr int search_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// One call for several names. ENOSYS where the kernel is older than 5.6 or a sandbox forbids it.
OpenedFolder open_by_openat2(int root, const std::string& path, int flags)
{
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    while (true) {
        const long fd = syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
        if (fd >= 0) {
            return {FileDescriptor(static_cast<int>(fd)), 0};
        }
        if (errno == EACCES && flags == folder_flags) {
            return open_by_openat2(root, path, search_flags);
        }
        // EAGAIN: something was renamed meanwhile, the kernel cannot be sure.
        if (errno != EINTR && errno != EAGAIN) {
            return {{}, errno};
        }
    }
}

OpenedFolder open_name_by_name(int root, std::string_view path)
{
    FileDescriptor at;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        OpenedFolder next =
            open_child_folder(at ? at.get() : root, std::string(path.substr(0, end)));
        if (!next.descriptor) {
            return next;
        }
        at = std::move(next.descriptor);
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return {std::move(at), 0};
}

/// The longest beginning of `path` that ends with a name and fits the kernel.
std::string_view first_step(std::string_view path)
{
    if (path.size() <= longest_step) {
        return path;
    }
    const std::size_t slash = path.rfind('/', longest_step);
    return slash == std::string_view::npos ? path.substr(0, path.find('/')) : path.substr(0, slash);
}

} // namespace

OpenedFolder open_child_folder(int parent, const std::string& name)
{
    int fd = openat(parent, name.c_str(), folder_flags);
    if (fd < 0 && errno == EACCES) {
        fd = openat(parent, name.c_str(), search_flags);
    }
    return fd >= 0 ? OpenedFolder{FileDescriptor(fd), 0} : OpenedFolder{{}, errno};
}

OpenedFolder open_folder_below(int root, std::string_view path)
{
    if (path.empty()) {
        return open_child_folder(root, ".");
    }
    FileDescriptor at;
    while (!path.empty()) {
        const std::string_view step = first_step(path);
        const int from = at ? at.get() : root;
        OpenedFolder next = open_by_openat2(from, std::string(step), folder_flags);
        if (next.error == ENOSYS || next.error == EPERM) {
            next = open_name_by_name(from, step);
        }
        if (!next.descriptor) {
            return next;
        }
        at = std::move(next.descriptor);
        path.remove_prefix(std::min(step.size() + 1, path.size()));
    }
    return {std::move(at), 0};
}

OpenedFolder make_folders_below(int root, std::string_view path, mode_t mode)
{
    OpenedFolder at = open_child_folder(root, ".");
    while (at.descriptor && !path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        const std::string name(path.substr(0, end));
        if (mkdirat(at.descriptor.get(), name.c_str(), mode) != 0 && errno != EEXIST) {
            return {{}, errno};
        }
        at = open_child_folder(at.descriptor.get(), name);
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return at;
}

FileDescriptor open_root_folder(const std::string& path, bool create)
{
    if (path.empty() || path.find('\0') != std::string::npos) {
        throw Error(ErrorCode::invalid, "the folder to restore to has no name", path);
    }
    FileDescriptor at(open(path.front() == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    std::string_view rest = path;
    while (at) {
        rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
        if (rest.empty()) {
            break;
        }
        const std::size_t end = std::min(rest.find('/'), rest.size());
        const std::string name(rest.substr(0, end));
        if (create && mkdirat(at.get(), name.c_str(), 0777) != 0 && errno != EEXIST &&
            errno != EROFS && errno != EACCES) {
            throw_system_error(errno, "cannot make the folder to restore to", path,
                               ErrorCode::target);
        }
        at = FileDescriptor(openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        rest.remove_prefix(end);
    }
    FileDescriptor root(at ? openat(at.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1);
    if (!root) {
        throw_system_error(errno, "cannot open the folder to restore to", path, ErrorCode::target);
    }
    return root;
}

std::optional<struct stat> stat_child(int folder, const std::string& name,
                                      const std::string& subject)
{
    struct stat status {
    };
    if (fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        return status;
    }
    if (errno == ENOENT) {
        return std::nullopt;
    }
    throw_system_error(errno, "cannot look at what is there", subject, ErrorCode::target);
}

std::vector<std::string> list_folder(int folder, const std::string& subject)
{
    struct Close {
        void operator()(DIR* stream) const noexcept { closedir(stream); }
    };
    // A descriptor of its own: the stream owns and moves its offset.
    FileDescriptor own(openat(folder, ".", folder_flags));
    const std::unique_ptr<DIR, Close> stream(own ? fdopendir(own.get()) : nullptr);
    if (!stream) {
        throw_system_error(errno, "cannot list the folder", subject, ErrorCode::target);
    }
    own.release();
    std::vector<std::string> names;
    while (true) {
        errno = 0;
        const dirent* entry = readdir(stream.get()); // NOLINT(concurrency-mt-unsafe): own stream
        if (entry == nullptr) {
            break;
        }
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    if (errno != 0) {
        throw_system_error(errno, "cannot list the folder", subject, ErrorCode::target);
    }
    return names;
}

SplitPath split_path(std::string_view path)
{
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos
               ? SplitPath{"", path}
               : SplitPath{path.substr(0, slash), path.substr(slash + 1)};
}

std::string descriptor_path(int descriptor)
{
    return "/proc/self/fd/" + std::to_string(descriptor);
}

} // namespace backstay::core
