#include "store/local_store.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/worker_group.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <limits>
#include <linux/magic.h>
#include <mutex>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr const char* temporaries_name = "tmp";
constexpr std::size_t least_direct_write = 1 * MiB;
constexpr std::size_t write_step = 8 * MiB;
constexpr std::int64_t oldest_temporary = 7 * std::int64_t{86400}; // seconds

/// File systems whose clients cache folders: a list may miss what another client made.
bool caches_folders(int folder)
{
    struct statfs about {
    };
    if (::fstatfs(folder, &about) != 0) {
        return false;
    }
    constexpr decltype(about.f_type) cifs = 0xff534d42;
    constexpr decltype(about.f_type) smb2 = 0xfe534d42;
    constexpr decltype(about.f_type) fuse = 0x65735546;
    return about.f_type == NFS_SUPER_MAGIC || about.f_type == cifs || about.f_type == smb2 ||
           about.f_type == fuse;
}

/// False if the file system does not take it.
bool set_direct(int file, bool direct)
{
    const int flags = ::fcntl(file, F_GETFL);
    return flags >= 0 && ::fcntl(file, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

/// An object's file in progress. Its name goes with it; what was published has another one.
class TemporaryFile
{
public:
    /// `key` is for errors.
    TemporaryFile(const ObjectFolder& root, int folder, const std::string& key)
        : root_(root), key_(key), name_{folder, temporary_name()},
          file_(::openat(folder, name_.name.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600))
    {
        if (!file_) {
            root_.fail(errno, "create", key_);
        }
    }
    ~TemporaryFile() { ::unlinkat(name_.folder, name_.name.c_str(), 0); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const FileName& name() const { return name_; }

    void write(ByteSpan object, const std::stop_token& stop)
    {
        for (std::size_t done = 0; done < object.size();) {
            throw_if_stopped(stop);
            const std::size_t size = std::min(write_step, object.size() - done);
            root_.write(file_.get(), done, object.subspan(done, size), key_);
            done += size;
        }
    }

    /// Past the page cache. False, and nothing written, if the file system does not take it.
    bool write_direct(const AlignedBuffer& object, const std::stop_token& stop)
    {
        if (!set_direct(file_.get(), true)) {
            return false;
        }
        const std::size_t padded =
            (object.size() + direct_io_alignment - 1) / direct_io_alignment * direct_io_alignment;
        // Extents in one piece, where the file system can.
        static_cast<void>(::fallocate(file_.get(), 0, 0, static_cast<off_t>(padded)));
        for (std::size_t done = 0; done < padded;) {
            throw_if_stopped(stop);
            const std::size_t size = std::min(write_step, padded - done);
            const ssize_t put =
                ::pwrite(file_.get(), object.span().data() + done, size, static_cast<off_t>(done));
            if (put < 0 && errno == EINTR) {
                continue;
            }
            if (put < 0 && errno == EINVAL && done == 0) {
                cut(0);
                return !set_direct(file_.get(), false);
            }
            const bool aligned =
                put > 0 && static_cast<std::size_t>(put) % direct_io_alignment == 0;
            if (!aligned) {
                root_.fail(put < 0 ? errno : EIO, "write", key_);
            }
            done += static_cast<std::size_t>(put);
        }
        cut(object.size());
        return true;
    }

    void sync_and_close()
    {
        // A failed fsync is final: the kernel may have dropped the pages, and a second call would
        // say nothing.
        if (::fsync(file_.get()) != 0) {
            root_.fail(errno, "sync", key_);
        }
        try {
            file_.close(key_);
        } catch (const Error& error) {
            root_.fail(error.system_error(), "close", key_);
        }
    }

private:
    void cut(std::size_t size)
    {
        if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) {
            root_.fail(errno, "cut", key_);
        }
    }

    const ObjectFolder& root_;
    const std::string& key_;
    FileName name_;
    FileDescriptor file_;
};

struct CloseFolder {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

} // namespace

struct LocalStore::State {
    State(const std::string& path, Mode mode, HardLinks links_wanted)
        : root(path, mode), links(links_wanted), caching_client(caches_folders(root.descriptor()))
    {
    }

    ObjectFolder root;
    const HardLinks links;
    const bool caching_client;
    std::atomic<bool> writes_direct{true};
    std::mutex mutex; // guards publishing
    std::optional<Publishing> publishing;

    std::optional<Publishing> known_publishing()
    {
        const std::lock_guard lock(mutex);
        return publishing;
    }

    Publishing how_to_publish(int temporaries, const std::stop_token& stop)
    {
        if (const auto known = known_publishing()) {
            return *known;
        }
        const Publishing found = try_publishing(root, temporaries, links, stop);
        const std::lock_guard lock(mutex);
        publishing = found;
        return found;
    }

    template <typename Write>
    void create(const std::string& key, const std::stop_token& stop, Write&& write)
    {
        if (!is_object_key(key)) {
            throw Error(ErrorCode::invalid, "this is no name for an object", key);
        }
        throw_if_stopped(stop);
        const FileDescriptor temporaries = root.make(temporaries_name);
        const Publishing way = how_to_publish(temporaries.get(), stop);
        const FileDescriptor folder = root.make(folder_of(key));
        TemporaryFile file(root, temporaries.get(), key);
        write(file);
        file.sync_and_close();
        const int error = publish(way, file.name(), {folder.get(), name_of(key)});
        if (error != 0 && error != EEXIST) {
            root.fail(error, "publish", key);
        }
        // If it was there: whoever made it may not have come to this yet, and "exists" must mean
        // durable, too, for callers whose own bytes they are.
        root.sync(folder.get(), key);
        if (error == EEXIST) {
            throw Error(ErrorCode::exists, "the object is there already", key, error);
        }
    }

    /// Makes a caching client ask again: a name that comes and goes changes the folder.
    void refresh(const std::string& prefix) const
    {
        const std::string name = folder_of(prefix);
        if (!name.empty() && !is_object_key(name)) {
            return;
        }
        const FileDescriptor folder = root.open(name);
        const std::string probe = "~probe-" + temporary_name(); // '~' is in no object's name
        const FileDescriptor file(folder ? ::openat(folder.get(), probe.c_str(),
                                                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                                         : -1);
        if (file) {
            ::unlinkat(folder.get(), probe.c_str(), 0);
        }
    }

    /// What writers that died left, once nobody can be at it any more.
    void remove_leftovers() const
    {
        FileDescriptor folder = root.open(temporaries_name);
        const Folder entries(folder ? ::fdopendir(folder.get()) : nullptr);
        if (!entries) {
            return;
        }
        const int parent = folder.release(); // closed with `entries`
        const std::int64_t oldest = system_clock().now().seconds - oldest_temporary;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): own stream
        while (const dirent* entry = ::readdir(entries.get())) {
            struct stat about {
            };
            const bool leftover =
                ::fstatat(parent, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(about.st_mode) && about.st_mtim.tv_sec < oldest;
            if (leftover) {
                ::unlinkat(parent, entry->d_name, 0);
            }
        }
    }
};

LocalStore::LocalStore(const std::string& path, Mode mode, HardLinks links)
    : state_(std::make_unique<State>(path, mode, links))
{
}

LocalStore::~LocalStore() = default;

StoreDescription LocalStore::describe(const std::stop_token& stop)
{
    throw_if_stopped(stop);
    StoreDescription description;
    description.uri = state_->root.path();
    description.kind = "local";
    description.strong_list = !state_->caching_client;
    const std::optional<Publishing> publishing = state_->known_publishing();
    description.exclusive_create = publishing && *publishing != Publishing::rename_only;
    if (publishing == Publishing::rename_only) {
        description.note = "neither link() nor RENAME_NOREPLACE works in this folder";
    } else if (state_->caching_client) {
        description.note = "a network or FUSE file system: what is tried here holds as far as its "
                           "server keeps it for all clients";
    }
    struct statvfs space {
    };
    if (::fstatvfs(state_->root.descriptor(), &space) == 0) {
        description.free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
    }
    return description;
}

void LocalStore::probe(const std::stop_token& stop)
{
    throw_if_stopped(stop);
    state_->how_to_publish(state_->root.make(temporaries_name).get(), stop);
    state_->remove_leftovers();
}

std::optional<ObjectInfo> LocalStore::stat(const std::string& key, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    return state_->root.stat(key);
}

std::size_t LocalStore::get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                            const std::stop_token& stop)
{
    throw_if_stopped(stop);
    const FileDescriptor file = state_->root.open_object(key);
    if (!file) {
        throw Error(ErrorCode::not_found, "there is no such object", key);
    }
    constexpr std::uint64_t end = std::numeric_limits<off_t>::max();
    if (offset > end || buffer.size() > end - offset) {
        buffer = buffer.first(static_cast<std::size_t>(offset > end ? 0 : end - offset));
    }
    return state_->root.read(file.get(), offset, buffer, key);
}

void LocalStore::create(const std::string& key, ByteSpan object, const std::stop_token& stop)
{
    state_->create(key, stop, [&](TemporaryFile& file) { file.write(object, stop); });
}

void LocalStore::create(const std::string& key, const AlignedBuffer& object,
                        const std::stop_token& stop)
{
    state_->create(key, stop, [&](TemporaryFile& file) {
        const bool direct = object.size() >= least_direct_write && state_->writes_direct;
        if (direct && file.write_direct(object, stop)) {
            return;
        }
        if (direct) {
            state_->writes_direct = false;
        }
        file.write(object.span(), stop);
    });
}

void LocalStore::remove(const std::string& key, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    const FileDescriptor folder =
        is_object_key(key) ? state_->root.open(folder_of(key)) : FileDescriptor();
    if (folder && ::unlinkat(folder.get(), name_of(key).c_str(), 0) != 0 && errno != ENOENT &&
        errno != EISDIR) {
        state_->root.fail(errno, "remove", key);
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
    for (const ObjectInfo& object : state_->root.list(prefix, stop)) {
        throw_if_stopped(stop);
        each(object);
    }
}

} // namespace backstay::core
