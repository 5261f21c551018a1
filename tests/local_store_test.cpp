#include "store/local_store.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"
#include "support/temp_dir.hpp"

#include <cerrno>
#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

namespace fs = std::filesystem;

AlignedBuffer aligned(ByteSpan bytes)
{
    AlignedBuffer buffer((bytes.size() / direct_io_alignment + 1) * direct_io_alignment);
    buffer.append(bytes);
    return buffer;
}

std::size_t files_in(const std::string& folder)
{
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

mode_t mode_of(const std::string& path)
{
    struct stat about {
    };
    REQUIRE(::stat(path.c_str(), &about) == 0);
    return about.st_mode & 07777U;
}

void make_old(const std::string& path, int days)
{
    const std::int64_t seconds = system_clock().now().seconds - std::int64_t{days} * 86400;
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

/// What an error has to tell: which object, where, why, what to do.
void check_tells(const std::optional<Error>& error, ErrorCode code, const std::string& key,
                 const std::string& place, const std::string& advice)
{
    REQUIRE(error);
    const std::string what = error->what();
    CAPTURE(what);
    CHECK(error->code() == code);
    CHECK(error->subject().starts_with(key));
    CHECK(what.find(place) != std::string::npos);
    CHECK(what.find(advice) != std::string::npos);
}

/// A small file system in memory, if we may mount one.
class SmallDisk
{
public:
    explicit SmallDisk(const std::string& options)
        : mounted_(::mount("none", folder_.path().c_str(), "tmpfs", 0, options.c_str()) == 0)
    {
    }
    ~SmallDisk()
    {
        if (mounted_) {
            ::umount2(folder_.path().c_str(), MNT_DETACH);
        }
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    bool mounted() const { return mounted_; }
    const std::string& path() const { return folder_.path(); }
    void remount_read_only() const
    {
        REQUIRE(::mount("none", path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
    }

private:
    TempDir folder_;
    bool mounted_;
};

/// Runs `body` in a child process, for limits that cannot be taken back. Its exit status.
int in_child(const std::function<int()>& body)
{
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::_exit(body());
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

TEST_CASE("what a local store makes is for its owner alone, whatever the umask")
{
    const TempDir folder;
    const mode_t before = ::umask(0);
    LocalStore store(folder / "parent/store/", LocalStore::Mode::create);
    store.create("packs/ab/small", seeded_bytes(1, 10), {});
    store.create("packs/ab/large", aligned(seeded_bytes(2, 2 * MiB)), {});
    ::umask(before);
    for (const std::string name : {"", "/packs", "/packs/ab", "/tmp"}) {
        CAPTURE(name);
        CHECK(mode_of(folder / "parent/store" + name) == 0700);
    }
    CHECK(mode_of(folder / "parent/store/packs/ab/small") == 0600);
    CHECK(mode_of(folder / "parent/store/packs/ab/large") == 0600);
    CHECK(files_in(folder / "parent/store/tmp") == 0);
}

TEST_CASE("an object whose size is no multiple of the disk's blocks has no padding")
{
    const TempDir folder;
    LocalStore store(folder.path(), LocalStore::Mode::open);
    for (const std::size_t size : {1 * MiB, 1 * MiB + 1, 9 * MiB + 511, 9 * MiB + 4095}) {
        CAPTURE(size);
        const Bytes bytes = seeded_bytes(size, size);
        const std::string key = "packs/" + std::to_string(size);
        store.create(key, aligned(bytes), {});
        CHECK(fs::file_size(folder / key) == size);
        CHECK(get_object(store, key, size, {}) == bytes);
    }
}

TEST_CASE("a folder that is not there is no store, and one that is a file says so")
{
    const TempDir folder;
    const auto open = [](const std::string& path, LocalStore::Mode mode) {
        return error_of([&] { LocalStore store(path, mode); });
    };
    const auto missing = open(folder / "none", LocalStore::Mode::open);
    REQUIRE(missing);
    CHECK(missing->code() == ErrorCode::not_found);
    CHECK(missing->subject() == folder / "none");
    CHECK(std::string(missing->what()).find("mounted") != std::string::npos);
    CHECK_FALSE(fs::exists(folder / "none"));
    write_file(folder / "file", "x");
    for (const auto mode : {LocalStore::Mode::open, LocalStore::Mode::create}) {
        const auto file = open(folder / "file", mode);
        REQUIRE(file);
        CHECK(std::string(file->what()).find("no folder") != std::string::npos);
    }
    CHECK(open(folder / "file/below", LocalStore::Mode::create));
    CHECK(read_file(folder / "file") == "x");
}

TEST_CASE("temporary files that died with their writers go after a week, and no sooner")
{
    const TempDir folder;
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.create("packs/ab/kept", seeded_bytes(1, 10), {});
    write_file(folder / "tmp/old", "x");
    write_file(folder / "tmp/young", "x");
    write_file(folder / "outside", "x");
    fs::create_directory(folder / "tmp/folder");
    fs::create_symlink(folder / "outside", folder / "tmp/link");
    fs::create_hard_link(folder / "packs/ab/kept", folder / "tmp/published"); // died before unlink
    for (const std::string name : {"tmp/old", "tmp/published", "outside", "tmp/folder"}) {
        make_old(folder / name, 8);
    }
    make_old(folder / "tmp/young", 6);
    CHECK(keys_of(store, "") == std::vector<std::string>{"outside", "packs/ab/kept"});
    store.probe({});
    CHECK_FALSE(fs::exists(folder / "tmp/old"));
    CHECK_FALSE(fs::exists(folder / "tmp/published"));
    CHECK(fs::exists(folder / "tmp/young"));
    CHECK(fs::exists(folder / "tmp/folder"));
    CHECK(fs::exists(folder / "outside"));
    CHECK(get_object(store, "packs/ab/kept", 10, {}) == seeded_bytes(1, 10));
}

TEST_CASE("a create that is cancelled in the middle leaves nothing")
{
    const TempDir folder;
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.probe({});
    std::stop_source stop;
    stop.request_stop();
    CHECK(error_name_of([&] {
              store.create("packs/a", aligned(seeded_bytes(1, 9 * MiB)), stop.get_token());
          }) == "cancelled");
    CHECK(keys_of(store, "").empty());
    CHECK(files_in(folder / "tmp") == 0);
}

TEST_CASE("a symbolic link in the store is an error, never followed and never passed over")
{
    const TempDir folder;
    const TempDir elsewhere;
    fs::create_directory(elsewhere / "ab");
    write_file(elsewhere / "ab/secret", "secret");
    write_file(elsewhere / "secret", "secret");
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.create("index/there", seeded_bytes(1, 10), {});
    const std::string advice = "symbolic link";
    Bytes buffer(6);

    SUBCASE("in the place of a folder")
    {
        fs::create_symlink(elsewhere.path(), folder / "packs");
        const std::string place = folder / "packs";
        check_tells(error_of([&] { store.get("packs/ab/secret", 0, buffer, {}); }),
                    ErrorCode::storage, "packs", place, advice);
        check_tells(error_of([&] { store.stat("packs/ab/secret", {}); }), ErrorCode::storage,
                    "packs", place, advice);
        check_tells(error_of([&] { store.remove("packs/ab/secret", {}); }), ErrorCode::storage,
                    "packs", place, advice);
        check_tells(error_of([&] { store.create("packs/ab/new", buffer, {}); }), ErrorCode::storage,
                    "packs", place, advice);
        check_tells(error_of([&] { keys_of(store, "packs/"); }), ErrorCode::storage, "packs", place,
                    advice);
        check_tells(error_of([&] { keys_of(store, ""); }), ErrorCode::storage, "packs", place,
                    advice);
        CHECK(keys_of(store, "index/").size() == 1);
    }
    SUBCASE("in the place of an object")
    {
        fs::create_symlink(elsewhere / "secret", folder / "index/link");
        const std::string place = folder / "index/link";
        check_tells(error_of([&] { store.get("index/link", 0, buffer, {}); }), ErrorCode::storage,
                    "index/link", place, advice);
        check_tells(error_of([&] { store.stat("index/link", {}); }), ErrorCode::storage,
                    "index/link", place, advice);
        check_tells(error_of([&] { keys_of(store, "index/"); }), ErrorCode::storage, "index/link",
                    place, advice);
        CHECK(error_name_of([&] { store.create("index/link", buffer, {}); }) == "exists");
        store.remove("index/link", {}); // the link, not what it points to
        CHECK(keys_of(store, "index/").size() == 1);
    }
    SUBCASE("in the place of the temporary files")
    {
        fs::remove_all(folder / "tmp");
        fs::create_symlink(elsewhere.path(), folder / "tmp");
        make_old(elsewhere / "secret", 30);
        check_tells(error_of([&] { store.create("index/new", buffer, {}); }), ErrorCode::storage,
                    "tmp", folder / "tmp", advice);
        check_tells(error_of([&] { store.probe({}); }), ErrorCode::storage, "tmp", folder / "tmp",
                    advice);
    }
    CHECK(files_in(elsewhere.path()) == 2);
    CHECK(files_in(elsewhere / "ab") == 1);
    CHECK(read_file(elsewhere / "ab/secret") == "secret");
    CHECK(read_file(elsewhere / "secret") == "secret");
}

TEST_CASE("the store's own folder may be reached by a symbolic link")
{
    const TempDir folder;
    fs::create_directory(folder / "real");
    fs::create_symlink(folder / "real", folder / "link");
    LocalStore store(folder / "link", LocalStore::Mode::create);
    store.create("index/a", seeded_bytes(1, 10), {});
    CHECK(fs::exists(folder / "real/index/a"));
}

TEST_CASE("what is neither file nor folder is no object, and nothing waits for it")
{
    const TempDir folder;
    LocalStore store(folder.path(), LocalStore::Mode::open);
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    fs::create_directory(folder / "folder");
    Bytes buffer(1);
    for (const std::string key : {"pipe", "folder"}) {
        CAPTURE(key);
        CHECK(error_name_of([&] { store.get(key, 0, buffer, {}); }) == "not-found");
        CHECK_FALSE(store.stat(key, {}));
        CHECK(error_name_of([&] { store.create(key, buffer, {}); }) == "exists");
    }
    CHECK(keys_of(store, "").empty());
    store.remove("folder", {});
    CHECK(fs::exists(folder / "folder"));
}

TEST_CASE("files that are no objects by their names are left alone")
{
    const TempDir folder;
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.create("packs/a", ByteSpan(), {});
    fs::create_directory(folder / "lost+found");
    write_file(folder / "lost+found/x", "x");
    write_file(folder / "README", "mine");
    write_file(folder / "packs/.A.swp", "mine");
    CHECK(keys_of(store, "") == std::vector<std::string>{"packs/a"});
}

TEST_CASE("create-if-absent is claimed only once it was tried")
{
    const TempDir folder;
    LocalStore store(folder.path(), LocalStore::Mode::open);
    CHECK_FALSE(store.describe({}).exclusive_create); // nothing was tried yet
    store.probe({});
    const StoreDescription description = store.describe({});
    CHECK(description.exclusive_create);
    CHECK(description.kind == "local");
    CHECK(description.uri == folder.path());
    REQUIRE(description.free_bytes);
    CHECK(*description.free_bytes > 0);
}

TEST_CASE("a create whose temporary folder was removed meanwhile makes it anew")
{
    const TempDir folder;
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.create("packs/ab/a", seeded_bytes(1, 10), {});
    fs::remove_all(folder / "tmp");
    fs::remove_all(folder / "packs");
    store.create("packs/ab/b", seeded_bytes(2, 10), {});
    CHECK(keys_of(store, "") == std::vector<std::string>{"packs/ab/b"});
}

TEST_CASE("a file that grows beyond a limit is an error that says so, and leaves nothing")
{
    const TempDir folder;
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.create("packs/before", seeded_bytes(1, 10), {});
    for (const bool direct : {false, true}) {
        CAPTURE(direct);
        const int failed = in_child([&] {
            ::signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{1 * MiB, 1 * MiB};
            ::setrlimit(RLIMIT_FSIZE, &limit);
            const Bytes bytes = seeded_bytes(2, 3 * MiB);
            const auto error = error_of([&] {
                direct ? store.create("packs/new", aligned(bytes), {})
                       : store.create("packs/new", bytes, {});
            });
            if (!error) {
                return 1;
            }
            const std::string what = error->what();
            return (error->code() == ErrorCode::storage ? 0 : 2) +
                   (what.find(folder / "packs/new") != std::string::npos ? 0 : 4) +
                   (what.find("ulimit -f") != std::string::npos ? 0 : 8) +
                   (error->subject() == "packs/new" ? 0 : 16);
        });
        CHECK(failed == 0);
        CHECK(files_in(folder / "tmp") == 0);
        CHECK(keys_of(store, "") == std::vector<std::string>{"packs/before"});
    }
    store.create("packs/new", seeded_bytes(2, 3 * MiB), {});
}

TEST_CASE("too many open files are an error, not an object that is absent")
{
    const TempDir folder;
    LocalStore store(folder.path(), LocalStore::Mode::open);
    store.create("packs/ab/there", seeded_bytes(1, 10), {});
    const int failed = in_child([&] {
        const rlimit limit{3, 3};
        ::setrlimit(RLIMIT_NOFILE, &limit);
        Bytes buffer(10);
        return (error_name_of([&] { store.stat("packs/ab/there", {}); }) == "storage" ? 0 : 1) +
               (error_name_of([&] { store.get("packs/ab/there", 0, buffer, {}); }) == "storage"
                    ? 0
                    : 2) +
               (error_name_of([&] { keys_of(store, ""); }) == "storage" ? 0 : 4) +
               (error_name_of([&] { keys_of(store, "packs/"); }) == "storage" ? 0 : 8);
    });
    CHECK(failed == 0);
}

TEST_CASE("a full disk is an error that says what to do, and leaves nothing but room")
{
    const SmallDisk disk("size=4m");
    if (!disk.mounted()) {
        MESSAGE("needs the right to mount: not tried");
        return;
    }
    LocalStore store(disk.path(), LocalStore::Mode::open);
    store.create("packs/before", seeded_bytes(1, 1 * MiB), {});
    for (const bool direct : {false, true}) {
        CAPTURE(direct);
        const Bytes bytes = seeded_bytes(2, 8 * MiB);
        check_tells(error_of([&] {
                        direct ? store.create("packs/new", aligned(bytes), {})
                               : store.create("packs/new", bytes, {});
                    }),
                    ErrorCode::no_space, "packs/new", disk.path() + "/packs/new",
                    "free some space");
        CHECK(files_in(disk.path() + "/tmp") == 0);
        CHECK(keys_of(store, "") == std::vector<std::string>{"packs/before"});
    }
    store.create("packs/new", seeded_bytes(2, 2 * MiB), {});
    CHECK(get_object(store, "packs/before", MiB, {}) == seeded_bytes(1, 1 * MiB));
}

TEST_CASE("a full disk is not taken for one without create-if-absent")
{
    const SmallDisk disk("size=64k");
    if (!disk.mounted()) {
        MESSAGE("needs the right to mount: not tried");
        return;
    }
    {
        std::ofstream filler(disk.path() + "/FILLER", std::ios::binary);
        while (filler.write(std::string(4096, 'x').data(), 4096).flush()) {
        }
    }
    LocalStore store(disk.path(), LocalStore::Mode::open);
    CHECK(error_name_of([&] { store.probe({}); }) == "no-space");
    fs::remove(disk.path() + "/FILLER");
    store.probe({});
    CHECK(store.describe({}).exclusive_create);
}

TEST_CASE("a disk without free inodes is a full disk")
{
    const SmallDisk disk("nr_inodes=8");
    if (!disk.mounted()) {
        MESSAGE("needs the right to mount: not tried");
        return;
    }
    LocalStore store(disk.path(), LocalStore::Mode::open);
    std::string failure;
    int made = 0;
    while (failure.empty() && made < 20) {
        failure =
            error_name_of([&] { store.create("gc/" + std::to_string(made++), ByteSpan(), {}); });
    }
    CHECK(failure == "no-space");
    CHECK(keys_of(store, "").size() == static_cast<std::size_t>(made) - 1);
}

TEST_CASE("a file system that is mounted read-only is read, and refuses changes clearly")
{
    const SmallDisk disk("size=4m");
    if (!disk.mounted()) {
        MESSAGE("needs the right to mount: not tried");
        return;
    }
    LocalStore(disk.path(), LocalStore::Mode::open).create("index/a", seeded_bytes(1, 10), {});
    disk.remount_read_only();
    LocalStore store(disk.path(), LocalStore::Mode::open);
    CHECK(get_object(store, "index/a", 10, {}) == seeded_bytes(1, 10));
    CHECK(keys_of(store, "").size() == 1);
    check_tells(error_of([&] { store.create("index/b", seeded_bytes(1, 10), {}); }),
                ErrorCode::denied, "tmp/", disk.path(), "mount it writable");
    check_tells(error_of([&] { store.remove("index/a", {}); }), ErrorCode::denied, "index/a",
                disk.path() + "/index/a", "mount it writable");
    CHECK(error_name_of([&] { store.probe({}); }) == "denied");
}

TEST_CASE("a folder without the right to write is read, and refuses changes clearly")
{
    if (::geteuid() == 0) {
        MESSAGE("root may write anywhere: not tried");
        return;
    }
    const TempDir folder;
    {
        LocalStore store(folder.path(), LocalStore::Mode::open);
        store.create("index/a", seeded_bytes(1, 10), {});
    }
    for (const std::string name : {"index", "tmp"}) {
        fs::permissions(folder / name, fs::perms::owner_read | fs::perms::owner_exec);
    }
    LocalStore store(folder.path(), LocalStore::Mode::open);
    CHECK(get_object(store, "index/a", 10, {}) == seeded_bytes(1, 10));
    const auto create = error_of([&] { store.create("index/b", seeded_bytes(1, 10), {}); });
    const auto remove = error_of([&] { store.remove("index/a", {}); });
    for (const std::string name : {"index", "tmp"}) {
        fs::permissions(folder / name, fs::perms::owner_all);
    }
    check_tells(create, ErrorCode::denied, "tmp", folder.path(), "owner and the mode");
    check_tells(remove, ErrorCode::denied, "index/a", folder / "index/a", "owner and the mode");
}
