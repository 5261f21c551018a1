#include "store/local_store.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"
#include "support/temp_dir.hpp"

#include <cerrno>
#include <cstdio>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <sys/syscall.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

/// Told of every call below, by what it works on: an error number makes the call fail without being
/// done. Tests that use it run on one thread.
using CallHook = std::function<int(const std::string& call, const std::string& what)>;
CallHook hook; // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

bool fails(const char* call, const std::string& what)
{
    const int error = hook ? hook(call, what) : 0;
    errno = error;
    return error != 0;
}

std::string path_of(int fd)
{
    std::error_code ignored;
    return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), ignored).string();
}

/// Sets the hook, for as long as it lives.
struct Hooked {
    explicit Hooked(CallHook given) { hook = std::move(given); }
    ~Hooked() { hook = nullptr; }
    Hooked(const Hooked&) = delete;
    Hooked& operator=(const Hooked&) = delete;
};

} // namespace

// The store is linked statically, so these are found before the C library's.
extern "C" {

int fsync(int fd)
{
    return fails("fsync", path_of(fd)) ? -1 : static_cast<int>(::syscall(SYS_fsync, fd));
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset)
{
    return fails("pwrite", path_of(fd)) ? -1 : ::syscall(SYS_pwrite64, fd, bytes, size, offset);
}

ssize_t pread(int fd, void* bytes, size_t size, off_t offset)
{
    return fails("pread", path_of(fd)) ? -1 : ::syscall(SYS_pread64, fd, bytes, size, offset);
}

int linkat(int from, const char* old_name, int to, const char* new_name, int flags) noexcept
{
    if (fails("linkat", path_of(to) + "/" + new_name)) {
        return -1;
    }
    return static_cast<int>(::syscall(SYS_linkat, from, old_name, to, new_name, flags));
}

int renameat2(int from, const char* old_name, int to, const char* new_name, unsigned flags) noexcept
{
    if (flags != 0 && fails("renameat2", path_of(to) + "/" + new_name)) {
        return -1;
    }
    return static_cast<int>(::syscall(SYS_renameat2, from, old_name, to, new_name, flags));
}
}

namespace
{

std::size_t temporary_files(const TempDir& folder)
{
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder / "tmp"),
                      std::filesystem::directory_iterator()));
}

AlignedBuffer aligned(ByteSpan bytes)
{
    AlignedBuffer buffer((bytes.size() / direct_io_alignment + 1) * direct_io_alignment);
    buffer.append(bytes);
    return buffer;
}

} // namespace

TEST_CASE("an object is synced before it has its name, and every folder on the way after")
{
    const TempDir folder(quick_folder());
    for (const HardLinks links : {HardLinks::use, HardLinks::avoid}) {
        LocalStore store(folder.path(), LocalStore::Mode::open, links);
        store.probe({});
        std::vector<std::string> calls;
        const std::string home = links == HardLinks::use ? "linked" : "renamed";
        {
            const Hooked hooked([&](const std::string& call, const std::string& what) {
                const std::string short_name = what.substr(folder.path().size());
                calls.push_back(call + " " +
                                (short_name.starts_with("/tmp/") ? "/tmp/*" : short_name));
                return 0;
            });
            store.create(home + "/ab/a", seeded_bytes(1, 10), {});
            store.create(home + "/ab/b", seeded_bytes(1, 10), {});
        }
        const std::string publish = links == HardLinks::use ? "linkat" : "renameat2";
        CHECK(calls == std::vector<std::string>{
                           "fsync ",         // where the first folder was made
                           "fsync /" + home, // and the second
                           "pwrite /tmp/*",  //
                           "fsync /tmp/*",   // the bytes
                           publish + " /" + home + "/ab/a",
                           "fsync /" + home + "/ab", // the name
                           "pwrite /tmp/*",          // the second object's folders are known
                           "fsync /tmp/*",           //
                           publish + " /" + home + "/ab/b",
                           "fsync /" + home + "/ab",
                       });
    }
}

TEST_CASE("an opened store syncs a folder once for all that are in it, and again for a new one")
{
    const TempDir folder(quick_folder());
    const std::vector<std::string> places{"one/ab/", "one/cd/", "two/"};
    LocalStore earlier(folder.path(), LocalStore::Mode::open);
    for (const std::string& place : places) {
        earlier.create(place + "a", seeded_bytes(1, 10), {});
    }
    LocalStore store(folder.path(), LocalStore::Mode::open);
    std::vector<std::string> synced;
    const Hooked hooked([&](const std::string& call, const std::string& what) {
        const std::string short_name = what.substr(folder.path().size());
        if (call == "fsync" && !short_name.starts_with("/tmp/")) {
            synced.push_back(short_name);
        }
        return 0;
    });
    for (const std::string& place : places) {
        store.create(place + "b", seeded_bytes(1, 10), {});
    }
    CHECK(synced == std::vector<std::string>{"", "/one", "/one/ab", "/one/cd", "/two"});

    // Whoever made it may not have come to sync it.
    synced.clear();
    REQUIRE(std::filesystem::create_directory(folder / "one/ef"));
    store.create("one/ef/a", seeded_bytes(1, 10), {});
    CHECK(synced == std::vector<std::string>{"/one", "/one/ef"});
}

TEST_CASE("a new repository's folder and its parents are synced into their own")
{
    const TempDir folder(quick_folder());
    std::vector<std::string> synced;
    {
        const Hooked hooked([&](const std::string&, const std::string& what) {
            synced.push_back(what.substr(folder.path().size()));
            return 0;
        });
        LocalStore store(folder / "a/b/c", LocalStore::Mode::create);
    }
    CHECK(synced == std::vector<std::string>{"", "/a", "/a/b"});
}

TEST_CASE("a name that is taken is synced before anybody is told so")
{
    const TempDir folder(quick_folder());
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.create("index/a", seeded_bytes(1, 10), {});
    std::string last;
    const Hooked hooked([&](const std::string& call, const std::string& what) {
        last = call + " " + what;
        return 0;
    });
    CHECK(error_name_of([&] { store.create("index/a", seeded_bytes(1, 10), {}); }) == "exists");
    CHECK(last == "fsync " + (folder / "index"));
}

TEST_CASE("an I/O error in any call of a create is told, and leaves the object whole or absent")
{
    for (const std::size_t size : {std::size_t{100}, 3 * MiB}) {
        for (const HardLinks links : {HardLinks::use, HardLinks::avoid}) {
            bool reached = true;
            for (int nth = 1; reached; ++nth) {
                CAPTURE(nth);
                CAPTURE(size);
                const TempDir folder(quick_folder());
                const Bytes bytes = seeded_bytes(1, size);
                LocalStore store(folder.path(), LocalStore::Mode::open, links);
                int calls = 0;
                std::optional<Error> error;
                {
                    const Hooked hooked([&](const std::string&, const std::string&) {
                        return ++calls == nth ? EIO : 0;
                    });
                    error = error_of([&] { store.create("packs/ab/a", aligned(bytes), {}); });
                }
                reached = calls >= nth;
                CHECK(error.has_value() == reached);
                if (error) {
                    const std::string what = error->what();
                    CAPTURE(what);
                    CHECK(error->code() == ErrorCode::storage);
                    CHECK(what.find(folder.path()) != std::string::npos);
                    CHECK(what.find("Input/output error") != std::string::npos);
                }
                CHECK(temporary_files(folder) == 0);
                if (store.stat("packs/ab/a", {})) {
                    CHECK(get_object(store, "packs/ab/a", size, {}) == bytes);
                } else {
                    store.create("packs/ab/a", aligned(bytes), {});
                }
                store.probe({});
                CHECK(store.describe({}).exclusive_create); // a failed trial proves nothing
            }
        }
    }
}

TEST_CASE("an I/O error while reading names the object and its place")
{
    const TempDir folder(quick_folder());
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.create("packs/a", seeded_bytes(1, 10), {});
    const Hooked hooked(
        [](const std::string& call, const std::string&) { return call == "pread" ? EIO : 0; });
    Bytes buffer(10);
    const auto error = error_of([&] { store.get("packs/a", 0, buffer, {}); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::storage);
    CHECK(error->subject() == "packs/a");
    CHECK(std::string(error->what()).find(folder / "packs/a") != std::string::npos);
    CHECK(std::string(error->what()).find("dmesg") != std::string::npos);
}

TEST_CASE("a stale handle of a network file system is tried again by others")
{
    const TempDir folder(quick_folder());
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.create("packs/a", seeded_bytes(1, 10), {});
    Bytes buffer(10);
    for (const int error : {ESTALE, ETIMEDOUT, EAGAIN}) {
        const Hooked hooked([&](const std::string&, const std::string&) { return error; });
        CHECK(error_name_of([&] { store.get("packs/a", 0, buffer, {}); }) == "unavailable");
        CHECK(error_name_of([&] { store.create("packs/b", buffer, {}); }) == "unavailable");
    }
    CHECK(keys_of(store, "") == std::vector<std::string>{"packs/a"});
}

TEST_CASE("a link that a repeated call reports as taken, though it was made, has succeeded")
{
    const TempDir folder(quick_folder());
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.probe({});
    const Hooked hooked([&](const std::string& call, const std::string& what) {
        if (call != "linkat") {
            return 0;
        }
        // What the first call did whose answer got lost.
        for (const auto& temporary : std::filesystem::directory_iterator(folder / "tmp")) {
            ::syscall(SYS_linkat, AT_FDCWD, temporary.path().c_str(), AT_FDCWD, what.c_str(), 0);
        }
        return EEXIST;
    });
    store.create("config/1", seeded_bytes(1, 10), {});
    CHECK(get_object(store, "config/1", 10, {}) == seeded_bytes(1, 10));
    CHECK(error_name_of([&] { store.create("config/1", seeded_bytes(1, 10), {}); }) == "exists");
}

TEST_CASE("where there are no links exclusive renames do, and where those are missing it is said")
{
    const TempDir folder(quick_folder());
    const Hooked without_links(
        [](const std::string& call, const std::string&) { return call == "linkat" ? EPERM : 0; });
    LocalStore renaming(folder.path(), LocalStore::Mode::open);
    renaming.probe({});
    CHECK(renaming.describe({}).exclusive_create);
    renaming.create("config/1", seeded_bytes(1, 10), {});
    CHECK(error_name_of([&] { renaming.create("config/1", ByteSpan(), {}); }) == "exists");

    const Hooked without_either([](const std::string& call, const std::string&) {
        return call == "linkat" ? EOPNOTSUPP : call == "renameat2" ? EINVAL : 0;
    });
    LocalStore bare(folder.path(), LocalStore::Mode::open);
    bare.probe({});
    const StoreDescription description = bare.describe({});
    CHECK_FALSE(description.exclusive_create);
    CHECK(description.note.find("RENAME_NOREPLACE") != std::string::npos);
    bare.create("config/2", seeded_bytes(2, 10), {});
    CHECK(error_name_of([&] { bare.create("config/2", ByteSpan(), {}); }) == "exists");
    CHECK(get_object(bare, "config/2", 10, {}) == seeded_bytes(2, 10));
    CHECK(temporary_files(folder) == 0);
}

TEST_CASE("a file system that takes O_DIRECT and then refuses it is written through the page cache")
{
    const TempDir folder(quick_folder());
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.probe({});
    const Bytes bytes = seeded_bytes(1, 2 * MiB + 5);
    const Hooked hooked([](const std::string& call, const std::string& what) {
        if (call != "pwrite") {
            return 0;
        }
        const int file = ::open(what.c_str(), O_WRONLY); // its own flags are not ours to see
        const bool first = file >= 0 && ::lseek(file, 0, SEEK_END) > 0;
        ::close(file);
        return first ? EINVAL : 0; // grown by fallocate: the direct way
    });
    store.create("packs/a", aligned(bytes), {});
    CHECK(get_object(store, "packs/a", 3 * MiB, {}) == bytes);
}
