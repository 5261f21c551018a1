#include "store/object_folder.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fmt/core.h>
#include <memory>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr mode_t private_folder = 0700;
constexpr mode_t any_folder = 0777; // less the umask

struct CloseFolder {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

ErrorCode code_of(int system_error)
{
    switch (system_error) {
    case ESTALE:
    case ETIMEDOUT:
    case EAGAIN:
    case EINTR:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ECONNRESET:
        return ErrorCode::unavailable;
    default:
        return code_of_system_error(system_error, ErrorCode::storage);
    }
}

const char* advice_for(int system_error)
{
    switch (system_error) {
    case ENOSPC:
        return "; free some space there and run it again";
    case EDQUOT:
        return "; have the quota raised and run it again";
    case EFBIG:
        return "; a limit on the size of files (ulimit -f, or the file system's own) is below that "
               "of an object";
    case EACCES:
    case EPERM:
        return "; look at the owner and the mode of what is there";
    case EROFS:
        return "; mount it writable";
    case ENOENT:
    case ENOTCONN:
        return "; is the file system still mounted?";
    case EIO:
        return "; the disk may be failing: look at the kernel's log (dmesg)";
    default:
        return "";
    }
}

/// A folder that was just made has its name in its parent, which has to be synced for it.
void sync_parent(const std::filesystem::path& path)
{
    const std::string parent = path.parent_path().string();
    const FileDescriptor fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd && ::fsync(fd.get()) != 0 && errno != EINVAL) {
        throw_system_error(errno, "cannot sync the folder", parent);
    }
}

void make_durable_folder(const std::filesystem::path& path, mode_t mode)
{
    if (::mkdir(path.c_str(), mode) != 0) {
        const int error = errno;
        if (error == EEXIST) {
            return;
        }
        if (error != ENOENT || path == path.parent_path()) {
            throw_system_error(error, "cannot make the folder", path.string());
        }
        make_durable_folder(path.parent_path(), any_folder);
        if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
            throw_system_error(errno, "cannot make the folder", path.string());
        }
    }
    sync_parent(path);
}

FileDescriptor open_root(const std::string& path)
{
    FileDescriptor root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) {
        const int error = errno;
        if (error == ENOENT) {
            throw Error(
                ErrorCode::not_found,
                "there is no such folder: is the file system mounted? (init makes a repository)",
                path, error);
        }
        throw_system_error(error, error == ENOTDIR ? "this is no folder" : "cannot open the folder",
                           path);
    }
    return root;
}

ObjectInfo info_of(const std::string& key, const struct stat& about)
{
    return {key,
            static_cast<std::uint64_t>(about.st_size),
            {about.st_mtim.tv_sec, static_cast<std::uint32_t>(about.st_mtim.tv_nsec)}};
}

/// Where the name that begins at `begin` ends.
std::size_t end_of_name(const std::string& path, std::size_t begin)
{
    return std::min(path.find('/', begin), path.size());
}

} // namespace

std::string folder_of(const std::string& key)
{
    const std::size_t slash = key.rfind('/');
    return slash == std::string::npos ? std::string() : key.substr(0, slash);
}

std::string name_of(const std::string& key)
{
    return key.substr(key.rfind('/') + 1); // npos + 1 is 0
}

ObjectFolder::ObjectFolder(std::string path, Mode mode) : path_(std::move(path))
{
    if (mode == Mode::create) {
        std::filesystem::path whole = std::filesystem::absolute(path_);
        if (!whole.has_filename()) {
            whole = whole.parent_path(); // "/mnt/backups/"
        }
        make_durable_folder(whole, private_folder);
    }
    root_ = open_root(path_);
}

FileDescriptor ObjectFolder::open_again(const std::string& key) const
{
    // Not a duplicate, which would share the place of a list in progress.
    FileDescriptor root(::openat(root_.get(), ".", folder_flags));
    if (!root) {
        fail(errno, "open the folder of", key);
    }
    return root;
}

FileDescriptor ObjectFolder::open(const std::string& folder) const
{
    FileDescriptor at = open_again(folder);
    for (std::size_t begin = 0; at && begin < folder.size();) {
        const std::size_t end = end_of_name(folder, begin);
        at = open_child(at.get(), folder.substr(begin, end - begin), folder.substr(0, end));
        begin = end + 1;
    }
    return at;
}

FileDescriptor ObjectFolder::make(const std::string& folder)
{
    FileDescriptor at = open_again(folder);
    for (std::size_t begin = 0; begin < folder.size();) {
        const std::size_t end = end_of_name(folder, begin);
        const std::string name = folder.substr(begin, end - begin);
        const std::string whole = folder.substr(0, end);
        FileDescriptor next = open_child(at.get(), name, whole);
        const bool made = !next;
        if (made) {
            if (::mkdirat(at.get(), name.c_str(), private_folder) != 0 && errno != EEXIST) {
                fail(errno, "make the folder", whole);
            }
            next = open_child(at.get(), name, whole);
            if (!next) {
                fail(ENOTDIR, "make the folder", whole);
            }
        }
        // Another process may have made it and not come to sync it yet.
        if (made || !is_durable(whole)) {
            sync_children(at.get(), folder.substr(0, begin));
        }
        at = std::move(next);
        begin = end + 1;
    }
    return at;
}

/// One sync is for all that are there: who creates in one of them will soon in others. `folder`:
/// "", or with a slash at its end.
void ObjectFolder::sync_children(int parent, const std::string& folder)
{
    std::vector<std::string> children;
    FileDescriptor again(::openat(parent, ".", folder_flags));
    const Folder entries(again ? ::fdopendir(again.get()) : nullptr);
    if (!entries) {
        fail(errno, "list", folder);
    }
    again.release(); // closed with `entries`
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): own stream
    while (const dirent* entry = ::readdir(entries.get())) {
        if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) {
            children.push_back(folder + entry->d_name);
        }
    }
    if (errno != 0) {
        fail(errno, "list", folder);
    }
    sync(parent, folder);
    const std::lock_guard lock(mutex_);
    durable_.insert(children.begin(), children.end());
}

bool ObjectFolder::is_durable(const std::string& folder)
{
    const std::lock_guard lock(mutex_);
    return durable_.find(folder) != durable_.end();
}

FileDescriptor ObjectFolder::open_child(int parent, const std::string& name,
                                        const std::string& key) const
{
    FileDescriptor child(::openat(parent, name.c_str(), folder_flags));
    if (child) {
        return child;
    }
    const int error = errno;
    if (error == ENOTDIR || error == ELOOP) {
        struct stat about {
        };
        if (::fstatat(parent, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISLNK(about.st_mode)) {
            refuse_link(key);
        }
    } else if (error != ENOENT) {
        fail(error, "open the folder", key);
    }
    return {};
}

void ObjectFolder::sync(int folder, const std::string& key) const
{
    // Some file systems cannot sync a folder (EINVAL): their metadata has no other promise to give.
    if (::fsync(folder) != 0 && errno != EINVAL) {
        fail(errno, "sync the folder of", key);
    }
}

FileDescriptor ObjectFolder::open_object(const std::string& key) const
{
    if (!is_object_key(key)) {
        return {};
    }
    const FileDescriptor folder = open(folder_of(key));
    if (!folder) {
        return {};
    }
    FileDescriptor file(::openat(folder.get(), name_of(key).c_str(),
                                 O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) {
        if (errno == ELOOP) {
            refuse_link(key);
        }
        if (errno != ENOENT) {
            fail(errno, "open", key);
        }
        return {};
    }
    struct stat about {
    };
    if (::fstat(file.get(), &about) != 0) {
        fail(errno, "look at", key);
    }
    return S_ISREG(about.st_mode) ? std::move(file) : FileDescriptor();
}

std::size_t ObjectFolder::read(int file, std::uint64_t offset, MutableByteSpan buffer,
                               const std::string& key) const
{
    try {
        return read_at(file, offset, buffer, key);
    } catch (const Error& error) {
        fail(error.system_error(), "read", key);
    }
}

void ObjectFolder::write(int file, std::uint64_t offset, ByteSpan bytes,
                         const std::string& key) const
{
    try {
        write_at(file, offset, bytes, key);
    } catch (const Error& error) {
        fail(error.system_error(), "write", key);
    }
}

std::optional<ObjectInfo> ObjectFolder::stat(const std::string& key) const
{
    const FileDescriptor folder = is_object_key(key) ? open(folder_of(key)) : FileDescriptor();
    if (!folder) {
        return std::nullopt;
    }
    struct stat about {
    };
    if (::fstatat(folder.get(), name_of(key).c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) {
            return std::nullopt;
        }
        fail(errno, "look at", key);
    }
    if (S_ISLNK(about.st_mode)) {
        refuse_link(key);
    }
    return S_ISREG(about.st_mode) ? std::optional(info_of(key, about)) : std::nullopt;
}

std::vector<ObjectInfo> ObjectFolder::list(const std::string& prefix,
                                           const std::stop_token& stop) const
{
    std::vector<ObjectInfo> found;
    const std::string folder = folder_of(prefix);
    if (folder.empty() || is_object_key(folder)) {
        list_below(open(folder), folder, prefix, found, stop);
    }
    std::sort(found.begin(), found.end(),
              [](const ObjectInfo& a, const ObjectInfo& b) { return a.key < b.key; });
    return found;
}

// Its depth is bounded: a key has at most 512 bytes.
// NOLINTNEXTLINE(misc-no-recursion)
void ObjectFolder::list_below(FileDescriptor folder, const std::string& name,
                              const std::string& prefix, std::vector<ObjectInfo>& found,
                              const std::stop_token& stop) const
{
    if (!folder) {
        return;
    }
    const Folder entries(::fdopendir(folder.get()));
    if (!entries) {
        fail(errno, "list", name);
    }
    const int parent = folder.release(); // closed with `entries`
    while (true) {
        throw_if_stopped(stop);
        errno = 0;
        const dirent* entry = ::readdir(entries.get()); // NOLINT(concurrency-mt-unsafe): own stream
        if (entry == nullptr) {
            break;
        }
        const std::string child = entry->d_name;
        const std::string key = name.empty() ? child : fmt::format("{}/{}", name, child);
        if (!is_object_key(key) || !key.starts_with(prefix)) {
            continue;
        }
        struct stat about {
        };
        if (::fstatat(parent, child.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno != ENOENT) { // else it has gone since
                fail(errno, "look at", key);
            }
        } else if (S_ISDIR(about.st_mode)) {
            list_below(open_child(parent, child, key), key, prefix, found, stop);
        } else if (S_ISLNK(about.st_mode)) {
            refuse_link(key);
        } else if (S_ISREG(about.st_mode)) {
            found.push_back(info_of(key, about));
        }
    }
    if (errno != 0) {
        fail(errno, "list", name);
    }
}

void ObjectFolder::fail(int system_error, std::string_view what, const std::string& key) const
{
    throw Error(code_of(system_error),
                fmt::format("cannot {} {}/{}: {}{}", what, path_, key,
                            std::generic_category().message(system_error),
                            advice_for(system_error)),
                key, system_error);
}

void ObjectFolder::refuse_link(const std::string& key) const
{
    throw Error(ErrorCode::storage,
                fmt::format("{}/{} is a symbolic link, which is never followed in a repository: "
                            "put what it points to in its place, or mount it there",
                            path_, key),
                key);
}

} // namespace backstay::core
