#include "store/local_store.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "base/worker_group.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <mutex>
#include <set>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr std::string_view temporary_prefix = "tmp/";
constexpr std::size_t least_direct_write = 1 * MiB;
constexpr std::size_t direct_write_step = 8 * MiB;
constexpr int most_days_of_a_leftover = 7;

/// ESTALE and its like pass; everything that throw_system_error() knows keeps its code.
[[noreturn]] void fail(int system_error, const std::string& what, const std::string& key)
{
    switch (system_error) {
    case ESTALE:
    case ETIMEDOUT:
    case EAGAIN:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ECONNRESET:
        throw_system_error(system_error, what, key, ErrorCode::unavailable);
    default:
        throw_system_error(system_error, what, key, ErrorCode::storage);
    }
}

/// File systems whose clients cache folders: a list may miss what another client made.
bool caches_folders(const struct statfs& about)
{
    constexpr decltype(about.f_type) cifs = 0xff534d42;
    constexpr decltype(about.f_type) smb2 = 0xfe534d42;
    constexpr decltype(about.f_type) fuse = 0x65735546;
    return about.f_type == NFS_SUPER_MAGIC || about.f_type == cifs || about.f_type == smb2 ||
           about.f_type == fuse;
}

struct CloseFolder {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

enum class Publishing { link, rename_no_replace, rename_only };

std::string folder_of(const std::string& key)
{
    const std::size_t slash = key.rfind('/');
    return slash == std::string::npos ? std::string() : key.substr(0, slash);
}

/// An object's name in progress: random, so that nobody else has it.
std::string temporary_name()
{
    std::array<std::uint8_t, 12> random{};
    fill_random(random);
    return std::string(temporary_prefix) + to_hex(random);
}

FileDescriptor open_root(const std::string& path, LocalStore::Mode mode)
{
    std::error_code failure;
    if (mode == LocalStore::Mode::create) {
        std::filesystem::create_directories(path, failure);
        if (failure) {
            throw_system_error(failure.value(), "cannot make the folder", path);
        }
    }
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

} // namespace

struct LocalStore::State {
    std::string path;
    FileDescriptor root;
    bool caching_client = false;
    std::atomic<bool> writes_direct{true};
    std::mutex mutex; // guards the rest
    std::optional<Publishing> publishing;
    std::set<std::string> folders; ///< made, or seen, and synced

    std::string place(const std::string& key) const { return path + "/" + key; }

    void sync_folder(const std::string& folder, const std::string& key) const
    {
        const FileDescriptor fd(::openat(root.get(), folder.empty() ? "." : folder.c_str(),
                                         O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!fd) {
            fail(errno, "cannot open the folder of", place(key));
        }
        // Some file systems cannot sync a folder (EINVAL): their metadata has no other promise to
        // give.
        if (::fsync(fd.get()) != 0 && errno != EINVAL) {
            fail(errno, "cannot sync the folder of", place(key));
        }
    }

    /// Makes it and its parents, each synced into its own parent, once.
    void make_folder(const std::string& folder, const std::string& key)
    {
        if (folder.empty()) {
            return;
        }
        {
            const std::lock_guard lock(mutex);
            if (folders.find(folder) != folders.end()) {
                return;
            }
        }
        const std::string parent = folder_of(folder);
        make_folder(parent, key);
        if (::mkdirat(root.get(), folder.c_str(), 0700) != 0 && errno != EEXIST) {
            fail(errno, "cannot make the folder of", place(key));
        }
        sync_folder(parent, key);
        const std::lock_guard lock(mutex);
        folders.insert(folder);
    }

    FileDescriptor create_temporary(const std::string& name, int flags, const std::string& key)
    {
        FileDescriptor file(::openat(root.get(), name.c_str(),
                                     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | flags,
                                     0600));
        if (!file && (flags & O_DIRECT) == 0) {
            fail(errno, "cannot create", place(key));
        }
        return file;
    }

    void write_buffered(const std::string& temporary, ByteSpan object, const std::string& key,
                        const std::stop_token& stop)
    {
        FileDescriptor file = create_temporary(temporary, 0, key);
        for (std::size_t done = 0; done < object.size();) {
            throw_if_stopped(stop);
            const std::size_t size = std::min(direct_write_step, object.size() - done);
            write_at(file.get(), done, object.subspan(done, size), place(key));
            done += size;
        }
        sync_and_close(file, key);
    }

    void sync_and_close(FileDescriptor& file, const std::string& key) const
    {
        // A failed fsync is final: the kernel may have dropped the pages, and a second call would
        // say nothing.
        if (::fsync(file.get()) != 0) {
            fail(errno, "cannot sync", place(key));
        }
        file.close(place(key));
    }

    /// Past the page cache. False if the file system does not take it: nothing is left then.
    bool write_direct(const std::string& temporary, const AlignedBuffer& object,
                      const std::string& key, const std::stop_token& stop)
    {
        FileDescriptor file = create_temporary(temporary, O_DIRECT, key);
        if (!file) {
            return false;
        }
        const std::size_t padded =
            (object.size() + direct_io_alignment - 1) / direct_io_alignment * direct_io_alignment;
        ::posix_fallocate(file.get(), 0,
                          static_cast<off_t>(padded)); // best effort: extents in one piece
        for (std::size_t done = 0; done < padded;) {
            throw_if_stopped(stop);
            const std::size_t size = std::min(direct_write_step, padded - done);
            const ssize_t put =
                ::pwrite(file.get(), object.span().data() + done, size, static_cast<off_t>(done));
            if (put < 0 && errno == EINTR) {
                continue;
            }
            if (put < 0 && errno == EINVAL && done == 0) {
                ::unlinkat(root.get(), temporary.c_str(), 0);
                return false;
            }
            const bool aligned =
                put > 0 && static_cast<std::size_t>(put) % direct_io_alignment == 0;
            if (!aligned) {
                fail(put < 0 ? errno : EIO, "cannot write", place(key));
            }
            done += static_cast<std::size_t>(put);
        }
        if (::ftruncate(file.get(), static_cast<off_t>(object.size())) != 0) {
            fail(errno, "cannot cut", place(key));
        }
        sync_and_close(file, key);
        return true;
    }

    Publishing how_to_publish(const std::stop_token& stop)
    {
        {
            const std::lock_guard lock(mutex);
            if (publishing) {
                return *publishing;
            }
        }
        const Publishing found = try_out(stop);
        const std::lock_guard lock(mutex);
        publishing = found;
        return found;
    }

    /// Tries on the folder itself: a second create must fail, and leave the first one's bytes.
    Publishing try_out(const std::stop_token& stop)
    {
        make_folder("tmp", "tmp");
        for (const Publishing way : {Publishing::link, Publishing::rename_no_replace}) {
            throw_if_stopped(stop);
            const std::string target = temporary_name();
            const std::string first = temporary_name();
            const std::string second = temporary_name();
            const bool honoured = create_probe(first, "1") && create_probe(second, "2") &&
                                  publish(way, first, target) == 0 &&
                                  publish(way, second, target) == EEXIST &&
                                  read_probe(target) == "1";
            for (const std::string& name : {target, first, second}) {
                ::unlinkat(root.get(), name.c_str(), 0);
            }
            if (honoured) {
                return way;
            }
        }
        return Publishing::rename_only;
    }

    bool create_probe(const std::string& name, std::string_view text) const
    {
        const FileDescriptor file(
            ::openat(root.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!file) {
            fail(errno, "cannot create in the folder", path);
        }
        return ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    }

    std::string read_probe(const std::string& name) const
    {
        const FileDescriptor file(::openat(root.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
        char c = '\0';
        return file && ::read(file.get(), &c, 1) == 1 ? std::string(1, c) : std::string();
    }

    /// 0, or errno. The temporary name may be left.
    int publish(Publishing way, const std::string& temporary, const std::string& name) const
    {
        if (way == Publishing::link) {
            if (::linkat(root.get(), temporary.c_str(), root.get(), name.c_str(), 0) == 0) {
                return 0;
            }
            const int error = errno;
            // NFS repeats calls: the second one finds the name taken by the first.
            struct stat about {
            };
            const bool linked =
                ::fstatat(root.get(), temporary.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                about.st_nlink == 2;
            return linked ? 0 : error;
        }
        const unsigned flags = way == Publishing::rename_no_replace ? RENAME_NOREPLACE : 0;
        if (flags == 0) {
            struct stat about {
            };
            if (::fstatat(root.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0) {
                return EEXIST;
            }
        }
        return ::syscall(SYS_renameat2, root.get(), temporary.c_str(), root.get(), name.c_str(),
                         flags) == 0
                   ? 0
                   : errno;
    }

    template <typename Write>
    void create(const std::string& key, const std::stop_token& stop, Write&& write)
    {
        if (!is_object_key(key) || key.starts_with(temporary_prefix)) {
            throw Error(ErrorCode::invalid, "this is no name for an object", key);
        }
        throw_if_stopped(stop);
        const Publishing way = how_to_publish(stop);
        const std::string folder = folder_of(key);
        make_folder(folder, key);
        const std::string temporary = temporary_name();
        struct Unlink {
            int root;
            const std::string& name;
            ~Unlink() { ::unlinkat(root, name.c_str(), 0); }
        } unlink{root.get(), temporary};
        write(temporary);
        if (const int error = publish(way, temporary, key); error != 0) {
            if (error == EEXIST) {
                throw Error(ErrorCode::exists, "the object is there already", key, error);
            }
            fail(error, "cannot publish", place(key));
        }
        sync_folder(folder, key);
    }

    void list_folder(const std::string& folder, const std::string& prefix,
                     std::vector<ObjectInfo>& found, const std::stop_token& stop) const
    {
        const FileDescriptor fd(::openat(root.get(), folder.empty() ? "." : folder.c_str(),
                                         O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        if (!fd) {
            if (errno == ENOENT || errno == ENOTDIR) {
                return;
            }
            fail(errno, "cannot list", place(folder));
        }
        const Folder entries(::fdopendir(::dup(fd.get())));
        if (!entries) {
            fail(errno, "cannot list", place(folder));
        }
        errno = 0;
        while (const dirent* entry = ::readdir(entries.get())) {
            throw_if_stopped(stop);
            const std::string key = folder.empty() ? entry->d_name : folder + "/" + entry->d_name;
            const bool on_the_way =
                std::string_view(prefix).starts_with(key) || key.starts_with(prefix);
            if (is_object_key(key) && key != "tmp" && on_the_way) {
                add_entry(key, prefix, found, stop);
            }
            errno = 0;
        }
        if (errno != 0) {
            fail(errno, "cannot list", place(folder));
        }
    }

    void add_entry(const std::string& key, const std::string& prefix,
                   std::vector<ObjectInfo>& found, const std::stop_token& stop) const
    {
        struct stat about {
        };
        if (::fstatat(root.get(), key.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) {
                return; // gone since
            }
            fail(errno, "cannot look at", place(key));
        }
        if (S_ISDIR(about.st_mode)) {
            list_folder(key, prefix, found, stop);
        } else if (S_ISREG(about.st_mode) && key.starts_with(prefix)) {
            found.push_back(
                {key,
                 static_cast<std::uint64_t>(about.st_size),
                 {about.st_mtim.tv_sec, static_cast<std::uint32_t>(about.st_mtim.tv_nsec)}});
        }
    }

    /// Makes a caching client ask again: a name that comes and goes changes the folder.
    void refresh(const std::string& prefix) const
    {
        const std::string folder = folder_of(prefix);
        std::array<std::uint8_t, 8> random{};
        fill_random(random);
        const std::string name = (folder.empty() ? "" : folder + "/") + "~probe-" +
                                 to_hex(random); // '~' is in no object's name
        const FileDescriptor file(
            ::openat(root.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (file) {
            ::unlinkat(root.get(), name.c_str(), 0);
        }
    }

    /// What writers that died left, once nobody can be at it any more.
    void remove_leftovers() const
    {
        const FileDescriptor fd(
            ::openat(root.get(), "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        const Folder entries(fd ? ::fdopendir(::dup(fd.get())) : nullptr);
        const std::int64_t oldest = system_clock().now().seconds - most_days_of_a_leftover * 86400;
        while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
            struct stat about {
            };
            const bool leftover =
                ::fstatat(fd.get(), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(about.st_mode) && about.st_mtim.tv_sec < oldest;
            if (leftover) {
                ::unlinkat(fd.get(), entry->d_name, 0);
            }
        }
    }
};

LocalStore::LocalStore(const std::string& path, Mode mode) : state_(std::make_unique<State>())
{
    state_->path = path;
    state_->root = open_root(path, mode);
    struct statfs about {
    };
    state_->caching_client = ::fstatfs(state_->root.get(), &about) == 0 && caches_folders(about);
}

LocalStore::~LocalStore() = default;

StoreDescription LocalStore::describe(const std::stop_token& stop)
{
    throw_if_stopped(stop);
    StoreDescription description;
    description.uri = state_->path;
    description.kind = "local";
    description.strong_list = !state_->caching_client;
    {
        const std::lock_guard lock(state_->mutex);
        description.exclusive_create =
            state_->publishing && *state_->publishing != Publishing::rename_only;
        if (state_->publishing == Publishing::rename_only) {
            description.note = "neither link() nor RENAME_NOREPLACE works in this folder";
        } else if (state_->caching_client) {
            description.note = "a network or FUSE file system: what is tried here holds as far as "
                               "its server keeps it for all clients";
        }
    }
    struct statvfs space {
    };
    if (::fstatvfs(state_->root.get(), &space) == 0) {
        description.free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
    }
    return description;
}

void LocalStore::probe(const std::stop_token& stop)
{
    state_->how_to_publish(stop);
    state_->remove_leftovers();
}

std::optional<ObjectInfo> LocalStore::stat(const std::string& key, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    struct stat about {
    };
    if (!is_object_key(key) ||
        ::fstatat(state_->root.get(), key.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT || errno == ENOTDIR || !is_object_key(key)) {
            return std::nullopt;
        }
        fail(errno, "cannot look at", state_->place(key));
    }
    if (!S_ISREG(about.st_mode)) {
        return std::nullopt;
    }
    return ObjectInfo{key,
                      static_cast<std::uint64_t>(about.st_size),
                      {about.st_mtim.tv_sec, static_cast<std::uint32_t>(about.st_mtim.tv_nsec)}};
}

std::size_t LocalStore::get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                            const std::stop_token& stop)
{
    throw_if_stopped(stop);
    if (!is_object_key(key)) {
        throw Error(ErrorCode::not_found, "there is no such object", key);
    }
    const FileDescriptor file(
        ::openat(state_->root.get(), key.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) {
        const int error = errno;
        if (error == ENOENT || error == ENOTDIR || error == ELOOP) {
            throw Error(ErrorCode::not_found, "there is no such object", key, error);
        }
        fail(error, "cannot open", state_->place(key));
    }
    return read_at(file.get(), offset, buffer, state_->place(key));
}

void LocalStore::create(const std::string& key, ByteSpan object, const std::stop_token& stop)
{
    state_->create(key, stop, [&](const std::string& temporary) {
        state_->write_buffered(temporary, object, key, stop);
    });
}

void LocalStore::create(const std::string& key, const AlignedBuffer& object,
                        const std::stop_token& stop)
{
    state_->create(key, stop, [&](const std::string& temporary) {
        const bool direct = object.size() >= least_direct_write && state_->writes_direct;
        if (direct && state_->write_direct(temporary, object, key, stop)) {
            return;
        }
        if (direct) {
            state_->writes_direct = false;
        }
        state_->write_buffered(temporary, object.span(), key, stop);
    });
}

void LocalStore::remove(const std::string& key, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    if (::unlinkat(state_->root.get(), key.c_str(), 0) != 0 && errno != ENOENT &&
        errno != ENOTDIR) {
        fail(errno, "cannot remove", state_->place(key));
    }
}

void LocalStore::list(const std::string& prefix, Freshness freshness,
                      const std::function<void(const ObjectInfo&)>& each,
                      const std::stop_token& stop)
{
    throw_if_stopped(stop);
    if (freshness == Freshness::fresh && state_->caching_client) {
        state_->refresh(prefix);
    }
    std::vector<ObjectInfo> found;
    state_->list_folder(folder_of(prefix), prefix, found, stop);
    std::sort(found.begin(), found.end(),
              [](const ObjectInfo& a, const ObjectInfo& b) { return a.key < b.key; });
    for (const ObjectInfo& object : found) {
        each(object);
    }
}

} // namespace backstay::core
