#include "source/tree_source.hpp"

#include "base/file.hpp"
#include "source/file_status.hpp"
#include "source/xattr_reader.hpp"
#include "support/fake_view.hpp"
#include "support/temp_dir.hpp"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <functional>
#include <linux/fs.h>
#include <mutex>
#include <set>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>

using namespace backstay::core;

namespace
{

using Outcome = DataSource::Outcome;

struct Seen {
    Entry entry;
    std::string bytes;
    Outcome outcome = Outcome::stable;
};

/// All that a walk gave, by path.
struct Walked {
    std::map<std::string, Seen> entries;
    std::vector<Problem> problems;
    std::size_t twice = 0; ///< entries given more than once

    bool has(const std::string& path) const { return entries.count(path) != 0; }
    std::size_t problems_of(const std::string& path) const
    {
        return static_cast<std::size_t>(
            std::count_if(problems.begin(), problems.end(),
                          [&path](const Problem& problem) { return problem.path == path; }));
    }
};

std::string read_whole(DataSource& source, std::uint32_t lane, const SourceEntry& entry)
{
    std::string bytes;
    Bytes buffer(64 * KiB);
    while (true) {
        const std::size_t got = source.read(lane, entry.item, bytes.size(), buffer);
        bytes.append(reinterpret_cast<const char*>(buffer.data()), got);
        if (got < buffer.size()) {
            return bytes;
        }
    }
}

/// Walks and reads everything as a backup does, each lane on its own thread.
class Walker
{
public:
    explicit Walker(TreeSourceOptions options) : source_(make_tree_source(std::move(options))) {}

    Walked run(bool reads = true)
    {
        const SessionPlan plan = open(nullptr);
        std::vector<std::thread> threads;
        for (std::uint32_t lane = 0; lane < plan.lanes; ++lane) {
            threads.emplace_back([this, lane, reads] { drain(lane, reads); });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        return close();
    }

    SessionPlan open(SnapshotView* parent)
    {
        return source_->open(
            parent,
            [this](Problem problem) {
                const std::lock_guard lock(mutex_);
                walked_.problems.push_back(std::move(problem));
            },
            stop.get_token());
    }

    Walked close()
    {
        CHECK(source_->finish().kind == SourceVerdict::Kind::ok);
        source_->settle(true);
        return std::move(walked_);
    }

    DataSource& source() { return *source_; }
    std::stop_source stop;

private:
    void drain(std::uint32_t lane, bool reads)
    {
        while (std::optional<SourceEntry> entry = source_->next(lane)) {
            take(lane, *entry, reads);
            source_->release(lane, entry->item);
        }
    }

    void take(std::uint32_t lane, SourceEntry& entry, bool reads)
    {
        Seen seen;
        try {
            if (entry.is_incomplete() && reads) {
                source_->complete(lane, entry.item, entry.entry);
            }
            if (reads && entry.entry.kind == EntryKind::file) {
                seen.bytes = read_whole(*source_, lane, entry);
                seen.outcome = source_->outcome(lane, entry.item, entry.entry);
            }
        } catch (const Error& error) {
            const std::lock_guard lock(mutex_);
            walked_.problems.push_back({error.code(), entry.entry.path, error.what()});
            return;
        }
        seen.entry = entry.entry;
        const std::lock_guard lock(mutex_);
        walked_.twice += walked_.entries.count(entry.entry.path);
        walked_.entries[entry.entry.path] = std::move(seen);
    }

    std::unique_ptr<DataSource> source_;
    std::mutex mutex_; // guards walked_
    Walked walked_;
};

TreeSourceOptions options_for(std::vector<std::string> roots)
{
    TreeSourceOptions options;
    options.roots = std::move(roots);
    return options;
}

Walked walk(TreeSourceOptions options)
{
    return Walker(std::move(options)).run();
}

Walked walk(const std::string& root)
{
    return walk(options_for({root}));
}

/// A path as entries have it.
std::string in(const std::string& path)
{
    return path.substr(1);
}

void make_folder(const std::string& path)
{
    REQUIRE(::mkdir(path.c_str(), 0755) == 0);
}

/// One file that is read by hand, so that a test may get in between.
struct OneFile {
    explicit OneFile(const std::string& path) : walker(options_for_one(path))
    {
        walker.open(nullptr);
        while (auto next = walker.source().next(0)) {
            if (next->entry.path == in(path)) {
                entry = std::move(*next);
                return;
            }
        }
        FAIL("the file was not given");
    }
    static TreeSourceOptions options_for_one(const std::string& path)
    {
        TreeSourceOptions options = options_for({path});
        options.lanes = 1;
        return options;
    }
    std::string read() { return read_whole(walker.source(), 0, entry); }
    Outcome outcome() { return walker.source().outcome(0, entry.item, entry.entry); }

    Walker walker;
    SourceEntry entry;
};

/// Runs in a child process that is nobody, where this one is root; the child's checks count as
/// this one's.
template <typename Body>
void as_nobody(Body&& body)
{
    if (::geteuid() != 0) {
        body();
        return;
    }
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        bool good = ::setgid(65534) == 0 && ::setuid(65534) == 0;
        try {
            good = good && body();
        } catch (...) {
            good = false;
        }
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

bool is_mount_point(const std::string& path)
{
    struct stat itself {
    };
    struct stat above {
    };
    return ::lstat(path.c_str(), &itself) == 0 && ::lstat((path + "/..").c_str(), &above) == 0 &&
           S_ISDIR(itself.st_mode) && itself.st_dev != above.st_dev;
}

} // namespace

TEST_CASE("every kind of entry is given with what it is")
{
    const TempDir temp;
    const std::string root = temp / "root";
    make_folder(root);
    write_file(root + "/file", "bytes");
    REQUIRE(::chmod((root + "/file").c_str(), 04751) == 0);
    const timespec times[] = {{-86400, 5}, {-86400, 123456789}};
    REQUIRE(::utimensat(AT_FDCWD, (root + "/file").c_str(), times, 0) == 0);
    make_folder(root + "/folder");
    REQUIRE(::symlink("../no\nwhere", (root + "/link").c_str()) == 0);
    REQUIRE(::mkfifo((root + "/fifo").c_str(), 0640) == 0);
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string socket_path = root + "/socket";
    REQUIRE(socket_path.size() < sizeof address.sun_path);
    std::copy(socket_path.begin(), socket_path.end(), address.sun_path);
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const bool has_device = ::mknod((root + "/device").c_str(), S_IFCHR | 0600, makedev(1, 7)) == 0;

    const Walked all = walk(root);
    CHECK(all.problems.empty());
    CHECK(all.twice == 0);
    const auto kind = [&](const char* name) { return all.entries.at(in(root + name)).entry.kind; };
    CHECK(kind("/folder") == EntryKind::directory);
    CHECK(kind("/fifo") == EntryKind::fifo);
    CHECK(kind("/socket") == EntryKind::socket);
    CHECK(kind("/link") == EntryKind::symlink);
    CHECK(all.entries.at(in(root + "/link")).entry.link_target == "../no\nwhere");
    const Seen& file = all.entries.at(in(root + "/file"));
    CHECK(file.bytes == "bytes");
    CHECK(file.entry.mode == 04751U);
    CHECK(file.entry.modified == Timestamp{-86400, 123456789});
    CHECK(file.entry.user_id == ::geteuid());
    CHECK_FALSE(file.entry.link);
    if (has_device) {
        CHECK(kind("/device") == EntryKind::character_device);
        CHECK(all.entries.at(in(root + "/device")).entry.device == (std::uint64_t{1} << 32 | 7));
    }
    for (std::string above = in(temp.path()); !above.empty();
         above = above.substr(0, above.find('/') == above.npos ? 0 : above.rfind('/'))) {
        CAPTURE(above);
        CHECK(all.has(above));
    }
}

TEST_CASE("names are kept byte for byte")
{
    const TempDir temp;
    const std::vector<std::string> names{
        "\xff\xfe not UTF-8", "new\nline", " ",   std::string(255, 'n'),
        "back\\slash",        "*",         "...", "-r"};
    for (const std::string& name : names) {
        write_file(temp / name, name);
    }
    const Walked all = walk(temp.path());
    CHECK(all.problems.empty());
    for (const std::string& name : names) {
        CAPTURE(name);
        REQUIRE(all.has(in(temp / name)));
        CHECK(all.entries.at(in(temp / name)).bytes == name);
    }
}

TEST_CASE("a tree deeper than PATH_MAX is walked and read to its end")
{
    const TempDir temp;
    const std::string name(200, 'd');
    std::string path = temp.path();
    {
        FileDescriptor at(::open(temp.path().c_str(), O_RDONLY | O_DIRECTORY));
        for (int depth = 0; depth < 60; ++depth) {
            REQUIRE(::mkdirat(at.get(), name.c_str(), 0755) == 0);
            at = FileDescriptor(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY));
            path += "/" + name;
        }
        const FileDescriptor file(::openat(at.get(), "deep", O_WRONLY | O_CREAT, 0600));
        REQUIRE(::write(file.get(), "down", 4) == 4);
        REQUIRE(::symlinkat("x", at.get(), "link") == 0);
    }
    const Walked all = walk(temp.path());
    CHECK(all.problems.empty());
    REQUIRE(all.has(in(path + "/deep")));
    CHECK(all.entries.at(in(path + "/deep")).bytes == "down");
    CHECK(all.has(in(path + "/link")));
    CHECK(walk(path + "/deep").has(in(path + "/deep")));
}

TEST_CASE("a folder of 100000 entries is given whole, each once")
{
    const TempDir temp;
    const FileDescriptor folder(::open(temp.path().c_str(), O_RDONLY | O_DIRECTORY));
    constexpr int count = 100'000;
    // Names of few files, which takes less time than as many files.
    std::string first = "0";
    for (int i = 0; i < count; ++i) {
        const std::string name = std::to_string(i);
        if (i == 0 || ::linkat(folder.get(), first.c_str(), folder.get(), name.c_str(), 0) != 0) {
            write_file(temp / name, "");
            first = name;
        }
    }
    const Walked all = Walker(options_for({temp.path()})).run(false);
    CHECK(all.problems.empty());
    CHECK(all.twice == 0);
    std::size_t inside = 0;
    for (const auto& [path, seen] : all.entries) {
        inside += path.starts_with(in(temp.path()) + "/") ? 1 : 0;
    }
    CHECK(inside == count);
}

TEST_CASE("symlinks are kept, never followed, though they lead round in circles")
{
    const TempDir temp;
    make_folder(temp / "folder");
    write_file(temp / "folder/file", "1");
    REQUIRE(::symlink("..", (temp / "folder/up").c_str()) == 0);
    REQUIRE(::symlink("b", (temp / "a").c_str()) == 0);
    REQUIRE(::symlink("a", (temp / "b").c_str()) == 0);
    const Walked all = walk(temp.path());
    CHECK(all.problems.empty());
    CHECK(all.entries.at(in(temp / "folder/up")).entry.link_target == "..");
    CHECK(all.has(in(temp / "a")));
    CHECK_FALSE(all.has(in(temp / "folder/up/folder")));
}

/// Walks, and calls `change` when the entry of `found` was given, before what is in it is.
Walked walk_changing(const std::string& root, const std::string& found,
                     const std::function<void()>& change)
{
    TreeSourceOptions options = options_for({root});
    options.lanes = 1;
    Walker walker(std::move(options));
    DataSource& source = walker.source();
    walker.open(nullptr);
    std::set<std::string> given;
    while (const auto entry = source.next(0)) {
        given.insert(entry->entry.path);
        source.release(0, entry->item);
        if (entry->entry.path == in(found)) {
            change();
        }
    }
    Walked walked = walker.close();
    for (const std::string& path : given) {
        walked.entries[path];
    }
    return walked;
}

TEST_CASE("a symlink that comes into a path under way leads nowhere")
{
    const TempDir temp;
    make_folder(temp / "root");
    make_folder(temp / "root/above");
    make_folder(temp / "root/above/folder");
    write_file(temp / "root/above/folder/file", "1");
    make_folder(temp / "elsewhere");
    make_folder(temp / "elsewhere/folder");
    write_file(temp / "elsewhere/folder/secret", "2");
    const Walked all = walk_changing(temp / "root", temp / "root/above/folder", [&] {
        REQUIRE(::rename((temp / "root/above").c_str(), (temp / "moved").c_str()) == 0);
        REQUIRE(::symlink("../elsewhere", (temp / "root/above").c_str()) == 0);
    });
    CHECK_FALSE(all.has(in(temp / "root/above/folder/secret")));
    CHECK(all.problems_of(in(temp / "root/above/folder")) == 1);
}

TEST_CASE("a folder that takes the place of another under way is saved")
{
    const TempDir temp;
    make_folder(temp / "root");
    make_folder(temp / "root/folder");
    write_file(temp / "root/folder/old", "1");
    make_folder(temp / "other");
    write_file(temp / "other/new", "2");
    const Walked all = walk_changing(temp / "root", temp / "root/folder", [&] {
        REQUIRE(::rename((temp / "root/folder").c_str(), (temp / "moved").c_str()) == 0);
        REQUIRE(::rename((temp / "other").c_str(), (temp / "root/folder").c_str()) == 0);
    });
    CHECK(all.problems.empty());
    CHECK(all.has(in(temp / "root/folder/new")));
}

TEST_CASE("names of one file have one identity whichever lane gives them")
{
    const TempDir temp;
    write_file(temp / "first", "same");
    for (int i = 0; i < 8; ++i) {
        const std::string folder = temp / ("folder" + std::to_string(i));
        make_folder(folder);
        REQUIRE(::link((temp / "first").c_str(), (folder + "/name").c_str()) == 0);
    }
    TreeSourceOptions options = options_for({temp.path()});
    options.lanes = 4;
    const Walked all = walk(options);
    const auto identity = all.entries.at(in(temp / "first")).entry.link;
    REQUIRE(identity);
    for (int i = 0; i < 8; ++i) {
        const Seen& seen = all.entries.at(in(temp / ("folder" + std::to_string(i) + "/name")));
        CHECK(seen.entry.link == identity);
        CHECK(seen.bytes == "same");
    }
}

TEST_CASE("a sparse file says where its data lies")
{
    const TempDir temp;
    const std::string path = temp / "sparse";
    {
        const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT, 0600));
        REQUIRE(::pwrite(file.get(), "middle", 6, 8 << 20) == 6);
        REQUIRE(::ftruncate(file.get(), 16 << 20) == 0);
        REQUIRE(::fsync(file.get()) == 0);
    }
    OneFile one(path);
    if (!one.entry.sparse) {
        MESSAGE("this file system keeps no holes");
        return;
    }
    const auto data = one.walker.source().next_data(0, one.entry.item, 0);
    REQUIRE(data);
    CHECK(data->begin <= 8 << 20);
    CHECK(data->begin > 4 << 20);
    CHECK(data->end >= (8 << 20) + 6);
    CHECK(data->end < 12 << 20);
    CHECK_FALSE(one.walker.source().next_data(0, one.entry.item, data->end));
    CHECK(one.entry.entry.size == 16 << 20);
}

TEST_CASE("extended attributes and ACLs come with files and folders")
{
    const TempDir temp;
    write_file(temp / "file", "x");
    make_folder(temp / "folder");
    const std::string long_value(1000, 'v');
    for (const char* name : {"file", "folder"}) {
        if (::setxattr((temp / name).c_str(), "user.long", long_value.data(), long_value.size(),
                       0) != 0) {
            MESSAGE("this file system has no user attributes");
            return;
        }
        REQUIRE(::setxattr((temp / name).c_str(), "user.a", "", 0, 0) == 0);
    }
    const std::string acl = "setfacl -m u:1234:r '" + (temp / "file") + "' 2> /dev/null";
    const bool has_acl = std::system(acl.c_str()) == 0;
    const Walked all = walk(temp.path());
    CHECK(all.problems.empty());
    for (const char* name : {"file", "folder"}) {
        const std::vector<Xattr>& xattrs = all.entries.at(in(temp / name)).entry.xattrs;
        CHECK(std::count(xattrs.begin(), xattrs.end(), Xattr{"user.a", {}}) == 1);
        const Bytes value(long_value.begin(), long_value.end());
        CHECK(std::count(xattrs.begin(), xattrs.end(), Xattr{"user.long", value}) == 1);
        CHECK(std::is_sorted(xattrs.begin(), xattrs.end(),
                             [](const Xattr& a, const Xattr& b) { return a.name < b.name; }));
    }
    if (has_acl) {
        const auto& xattrs = all.entries.at(in(temp / "file")).entry.xattrs;
        CHECK(xattrs.front().name == "system.posix_acl_access");
        CHECK(xattrs.front().value.size() > 4);
    }
}

TEST_CASE("a file that grows while it is read has changed, and is read again whole")
{
    const TempDir temp;
    write_file(temp / "file", "before");
    OneFile one(temp / "file");
    CHECK(one.read() == "before");
    std::ofstream(temp / "file", std::ios::app) << " and after";
    CHECK(one.outcome() == Outcome::changed);
    CHECK(one.entry.entry.size == 16);
    CHECK(one.entry.entry.change_token.empty());
    CHECK(one.read() == "before and after");
    CHECK(one.outcome() == Outcome::stable);
}

TEST_CASE("a file that shrinks before it is read gives what is left, and has changed")
{
    const TempDir temp;
    write_file(temp / "file", std::string(300'000, 'x'));
    OneFile one(temp / "file");
    REQUIRE(::truncate((temp / "file").c_str(), 10) == 0);
    CHECK(one.read() == std::string(10, 'x'));
    CHECK(one.outcome() == Outcome::changed);
    CHECK(one.entry.entry.size == 10);
}

TEST_CASE("a file that another is renamed over while it is read is given as it was")
{
    const TempDir temp;
    write_file(temp / "file", "old");
    OneFile one(temp / "file");
    CHECK(one.read() == "old");
    write_file(temp / "new", "newer");
    REQUIRE(::rename((temp / "new").c_str(), (temp / "file").c_str()) == 0);
    CHECK(one.outcome() == Outcome::vanished);
    CHECK(one.entry.entry.size == 3);
}

TEST_CASE("a file that is written to and removed while it is read has changed")
{
    const TempDir temp;
    write_file(temp / "file", "old");
    OneFile one(temp / "file");
    CHECK(one.read() == "old");
    write_file(temp / "file", "rewritten");
    REQUIRE(::unlink((temp / "file").c_str()) == 0);
    CHECK(one.outcome() == Outcome::changed);
    CHECK(one.read() == "rewritten");
    CHECK(one.outcome() == Outcome::vanished);
}

TEST_CASE("a file that vanishes before it is read is a problem of its own")
{
    const TempDir temp;
    write_file(temp / "file", "x");
    OneFile one(temp / "file");
    REQUIRE(::unlink((temp / "file").c_str()) == 0);
    CHECK_THROWS_WITH_AS(one.read(), doctest::Contains("vanished"), Error);
}

TEST_CASE("a file that becomes something else before it is read is a problem, and nothing hangs")
{
    const TempDir temp;
    const auto become = [&temp](const std::function<void(const char*)>& make) {
        const std::string path = temp / "file";
        write_file(path, "x");
        OneFile one(path);
        REQUIRE(::unlink(path.c_str()) == 0);
        make(path.c_str());
        CHECK_THROWS_AS(one.read(), Error);
        std::filesystem::remove(path);
    };
    become([](const char* path) { REQUIRE(::mkfifo(path, 0600) == 0); });
    become([](const char* path) { REQUIRE(::mkdir(path, 0700) == 0); });
    become([](const char* path) { REQUIRE(::symlink("/etc/passwd", path) == 0); });
}

TEST_CASE("a file whose attributes cannot be had is not taken for known the next time")
{
    const TempDir temp;
    write_file(temp / "file", "x");
    std::this_thread::sleep_for(std::chrono::milliseconds(3200)); // younger ones have no token
    OneFile one(temp / "file");
    REQUIRE(one.entry.is_incomplete());
    REQUIRE_FALSE(one.entry.entry.change_token.empty());
    REQUIRE(::unlink((temp / "file").c_str()) == 0);
    one.walker.source().complete(0, one.entry.item, one.entry.entry);
    CHECK(one.entry.entry.change_token.empty());
}

TEST_CASE("attributes that change while a file is read are those that are kept")
{
    const TempDir temp;
    write_file(temp / "file", "x");
    OneFile one(temp / "file");
    one.read();
    REQUIRE(::chmod((temp / "file").c_str(), 0604) == 0);
    const bool has_xattrs = ::setxattr((temp / "file").c_str(), "user.late", "1", 1, 0) == 0;
    const bool chowned = ::chown((temp / "file").c_str(), 1, 54321) == 0;
    CHECK(one.outcome() == Outcome::changed);
    CHECK(one.entry.entry.mode == 0604U);
    if (has_xattrs) {
        CHECK(std::count(one.entry.entry.xattrs.begin(), one.entry.entry.xattrs.end(),
                         Xattr{"user.late", {'1'}}) == 1);
    }
    if (chowned) {
        CHECK(one.entry.entry.user_id == 1U);
        CHECK(one.entry.entry.user != "root");
        CHECK(one.entry.entry.group.empty());
    }
}

TEST_CASE("files that vanish between their names and their turn are each listed")
{
    const TempDir temp;
    for (int i = 0; i < 50; ++i) {
        write_file(temp / ("f" + std::to_string(i)), "x");
    }
    Walker walker(OneFile::options_for_one(temp.path()));
    walker.open(nullptr);
    std::size_t given = 0;
    while (auto entry = walker.source().next(0)) {
        if (!entry->entry.path.starts_with(in(temp.path()) + "/")) {
            continue;
        }
        if (given++ == 0) {
            for (int i = 0; i < 50; ++i) {
                ::unlink((temp / ("f" + std::to_string(i))).c_str());
            }
        }
    }
    const Walked all = walker.close();
    CHECK(given == 1);
    CHECK(all.problems.size() == 49);
}

TEST_CASE("a folder that vanishes or becomes a file before it is read is listed")
{
    const TempDir temp;
    make_folder(temp / "gone");
    make_folder(temp / "other");
    Walker walker(OneFile::options_for_one(temp.path()));
    walker.open(nullptr);
    while (auto entry = walker.source().next(0)) {
        if (entry->entry.path == in(temp / "gone")) {
            REQUIRE(::rmdir((temp / "gone").c_str()) == 0);
        } else if (entry->entry.path == in(temp / "other")) {
            REQUIRE(::rmdir((temp / "other").c_str()) == 0);
            write_file(temp / "other", "");
        }
    }
    const Walked all = walker.close();
    CHECK(all.problems_of(in(temp / "gone")) == 1);
    CHECK(all.problems_of(in(temp / "other")) == 1);
}

TEST_CASE("what may not be read is listed, once each, and the rest is given")
{
    const TempDir temp;
    REQUIRE(::chmod(temp.path().c_str(), 0755) == 0);
    write_file(temp / "readable", "yes");
    write_file(temp / "secret", "no");
    if (::setxattr((temp / "secret").c_str(), "user.x", "1", 1, 0) != 0) {
        MESSAGE("this file system has no user attributes");
    }
    make_folder(temp / "closed");
    write_file(temp / "closed/inside", "no");
    REQUIRE(::chmod((temp / "secret").c_str(), 0) == 0);
    REQUIRE(::chmod((temp / "closed").c_str(), 0) == 0);
    as_nobody([&] {
        const Walked all = walk(temp.path());
        return all.entries.at(in(temp / "readable")).bytes == "yes" &&
               all.has(in(temp / "closed")) && all.problems_of(in(temp / "secret")) == 1 &&
               all.problems_of(in(temp / "closed")) == 1 && all.problems.size() == 2 &&
               all.problems.front().code == ErrorCode::denied;
    });
    REQUIRE(::chmod((temp / "closed").c_str(), 0700) == 0);
}

TEST_CASE("another's files are read by who may not leave their access time alone")
{
    const TempDir temp;
    REQUIRE(::chmod(temp.path().c_str(), 0755) == 0);
    for (const char* name : {"a", "b", "c"}) {
        write_file(temp / name, name);
        REQUIRE(::chmod((temp / name).c_str(), 0644) == 0);
    }
    as_nobody([&] {
        const Walked all = walk(temp.path());
        return all.problems.empty() && all.entries.at(in(temp / "a")).bytes == "a" &&
               all.entries.at(in(temp / "b")).bytes == "b" &&
               all.entries.at(in(temp / "c")).bytes == "c";
    });
}

TEST_CASE("patterns leave out files and whole folders but never what is named itself")
{
    const TempDir temp;
    for (const char* folder : {"cache", "cache/keep", "src"}) {
        make_folder(temp / folder);
    }
    for (const char* file : {"cache/a", "cache/keep/b", "src/c.o", "src/c.c", "src/C.TMP"}) {
        write_file(temp / file, file);
    }
    TreeSourceOptions options = options_for({temp.path(), temp / "cache/keep"});
    options.excludes = {"cache/", "*.o", "# src/c.c"};
    options.excludes_ignoring_case = {"*.tmp"};
    const Walked all = walk(options);
    CHECK(all.problems.empty());
    CHECK(all.twice == 0);
    CHECK(all.has(in(temp / "src/c.c")));
    CHECK_FALSE(all.has(in(temp / "src/c.o")));
    CHECK_FALSE(all.has(in(temp / "src/C.TMP")));
    CHECK_FALSE(all.has(in(temp / "cache/a")));
    CHECK(all.has(in(temp / "cache/keep/b")));
    CHECK(all.has(in(temp / "cache")));
}

TEST_CASE("a root within another root is given once, and so is what lies between them")
{
    const TempDir temp;
    make_folder(temp / "a");
    make_folder(temp / "a/b");
    write_file(temp / "a/1", "1");
    write_file(temp / "a/b/2", "2");
    const Walked all = walk(options_for({temp.path(), temp / "a/b", temp.path() + "/a/../a/b/"}));
    CHECK(all.problems.empty());
    CHECK(all.twice == 0);
    for (const char* path : {"a", "a/1", "a/b", "a/b/2"}) {
        CHECK(all.has(in(temp / path)));
    }
}

TEST_CASE("a folder above a root is given without the times that change with its other names")
{
    const TempDir temp;
    make_folder(temp / "root");
    make_folder(temp / "root/inside");
    make_folder(temp / "root/inside/deep");
    const Walked all = walk(options_for({temp / "root", temp / "root/inside/deep"}));
    const Entry& above = all.entries.at(in(temp.path())).entry;
    CHECK_FALSE(above.modified);
    CHECK_FALSE(above.changed);
    CHECK(above.mode == 0700);
    CHECK(above.user_id == ::geteuid());
    for (const char* path : {"root", "root/inside", "root/inside/deep"}) {
        CAPTURE(path);
        CHECK(all.entries.at(in(temp / path)).entry.modified);
    }
}

TEST_CASE("what leads to a root is a folder though a symlink leads there")
{
    const TempDir temp;
    make_folder(temp / "real");
    make_folder(temp / "real/inside");
    write_file(temp / "real/inside/file", "found");
    write_file(temp / "real/other", "not asked for");
    REQUIRE(::symlink("real", (temp / "link").c_str()) == 0);
    const Walked all = walk(temp / "link/inside");
    CHECK(all.problems.empty());
    CHECK(all.entries.at(in(temp / "link")).entry.kind == EntryKind::directory);
    CHECK(all.entries.at(in(temp / "link/inside/file")).bytes == "found");
    CHECK_FALSE(all.has(in(temp / "link/other")));
}

TEST_CASE("a root that is not there is listed, and none at all is an error")
{
    const TempDir temp;
    write_file(temp / "file", "x");
    const Walked all = walk(options_for({temp / "file", temp / "missing"}));
    CHECK(all.problems_of(in(temp / "missing")) == 1);
    CHECK(all.has(in(temp / "file")));
    CHECK_THROWS_AS(walk(temp / "missing"), Error);
}

TEST_CASE("folders marked as caches or by a file's name are kept but for what is in them")
{
    const TempDir temp;
    const std::string signature = "Signature: 8a477f597d28d172789f06886806bc55";
    for (const char* folder : {"cache", "false", "linked", "fifo", "marked", "headed"}) {
        make_folder(temp / folder);
        write_file(temp / (std::string(folder) + "/data"), "x");
        make_folder(temp / (std::string(folder) + "/deeper"));
    }
    write_file(temp / "cache/CACHEDIR.TAG", signature + "\n# more");
    write_file(temp / "false/CACHEDIR.TAG", "Signature: something else");
    REQUIRE(::symlink("../cache/CACHEDIR.TAG", (temp / "linked/CACHEDIR.TAG").c_str()) == 0);
    REQUIRE(::mkfifo((temp / "fifo/CACHEDIR.TAG").c_str(), 0600) == 0);
    REQUIRE(::symlink("nowhere", (temp / "marked/.nobackup").c_str()) == 0);
    write_file(temp / "headed/.skip", "skip this");
    TreeSourceOptions options = options_for({temp.path()});
    options.exclude_caches = true;
    options.exclude_if_present = {".nobackup", ".skip:skip"};
    const Walked all = walk(options);
    CHECK(all.problems.empty());
    for (const char* kept : {"cache", "cache/CACHEDIR.TAG", "false/data", "linked/data",
                             "fifo/data", "marked/.nobackup", "headed/.skip"}) {
        CAPTURE(kept);
        CHECK(all.has(in(temp / kept)));
    }
    for (const char* left_out :
         {"cache/data", "cache/deeper", "marked/data", "headed/data", "headed/deeper"}) {
        CAPTURE(left_out);
        CHECK_FALSE(all.has(in(temp / left_out)));
    }
}

TEST_CASE("a marker that is no name of a file is refused")
{
    for (const char* bad : {"", ":header", "a/b", "..", "/etc/passwd"}) {
        TreeSourceOptions options = options_for({"/etc/passwd"});
        options.exclude_if_present = {bad};
        CAPTURE(bad);
        CHECK_THROWS_AS(walk(options), Error);
    }
}

TEST_CASE("files with the nodump flag are left out unless they are asked for")
{
    const TempDir temp;
    write_file(temp / "file", "x");
    {
        const FileDescriptor file(::open((temp / "file").c_str(), O_RDONLY));
        int flags = FS_NODUMP_FL;
        if (::ioctl(file.get(), FS_IOC_SETFLAGS, &flags) != 0) {
            MESSAGE("this file system has no such flag");
            return;
        }
    }
    CHECK_FALSE(walk(temp.path()).has(in(temp / "file")));
    TreeSourceOptions options = options_for({temp.path()});
    options.exclude_nodump = false;
    const Walked all = walk(options);
    REQUIRE(all.has(in(temp / "file")));
    CHECK((all.entries.at(in(temp / "file")).entry.file_flags.value_or(0) & FS_NODUMP_FL) != 0);
}

TEST_CASE("flags that only an open file or folder tells are kept, and none of the file system's")
{
    const TempDir temp;
    write_file(temp / "file", "x");
    write_file(temp / "plain", "x");
    make_folder(temp / "folder");
    for (const char* name : {"file", "folder"}) {
        const FileDescriptor opened(::open((temp / name).c_str(), O_RDONLY));
        long flags = FS_NOATIME_FL | FS_SYNC_FL;
        if (::ioctl(opened.get(), FS_IOC_SETFLAGS, &flags) != 0) {
            MESSAGE("this file system has no such flags");
            return;
        }
    }
    const Walked all = walk(temp.path());
    for (const char* name : {"file", "folder"}) {
        CAPTURE(name);
        CHECK(all.entries.at(in(temp / name)).entry.file_flags == FS_NOATIME_FL + FS_SYNC_FL);
    }
    CHECK(all.entries.at(in(temp / "plain")).entry.file_flags == 0U);
}

TEST_CASE("files larger than the limit are left out, and no others")
{
    const TempDir temp;
    write_file(temp / "at", std::string(100, 'x'));
    write_file(temp / "above", std::string(101, 'x'));
    make_folder(temp / "folder");
    TreeSourceOptions options = options_for({temp.path()});
    options.exclude_larger_than = 100;
    const Walked all = walk(options);
    CHECK(all.has(in(temp / "at")));
    CHECK(all.has(in(temp / "folder")));
    CHECK_FALSE(all.has(in(temp / "above")));
}

TEST_CASE("mount points are kept empty where file systems are not crossed, unless they are named")
{
    const std::string mount = "/dev/shm";
    if (!is_mount_point(mount) || ::access(mount.c_str(), W_OK) != 0) {
        MESSAGE("nothing is mounted on /dev/shm");
        return;
    }
    std::string name = mount + "/backstay-test-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    TreeSourceOptions options = options_for({"/dev"});
    options.one_file_system = true;
    CHECK(Walker(options).run(false).has("dev/shm"));
    CHECK_FALSE(Walker(options).run(false).has(in(name)));
    options.roots = {"/dev", mount};
    CHECK(Walker(options).run(false).has(in(name)));
    options.roots = {"/dev"};
    options.one_file_system = false;
    CHECK(Walker(options).run(false).has(in(name)));
    REQUIRE(::rmdir(name.c_str()) == 0);
}

TEST_CASE("a state that is too young to tell from the next has no change token")
{
    FileStatus status;
    status.modified = {1000, 0};
    status.changed = {1000, 0};
    CHECK(make_change_token(status, {1001, 0}).empty());
    CHECK(make_change_token(status, {1002, 0}).empty());
    CHECK_FALSE(make_change_token(status, {1004, 0}).empty());
    status.modified = {5'000'000, 0}; // in the future, set so by someone
    CHECK_FALSE(make_change_token(status, {1004, 0}).empty());
    FileStatus other = status;
    other.changed.nanoseconds = 1;
    CHECK(make_change_token(other, {1004, 0}) != make_change_token(status, {1004, 0}));
    other = status;
    other.inode = 1;
    CHECK(make_change_token(other, {1004, 0}) != make_change_token(status, {1004, 0}));
}

TEST_CASE("a change time or inode that is to be ignored does not hide another change")
{
    const std::string path = "/etc/passwd"; // old enough to have a token
    FileStatus now;
    REQUIRE(read_status(AT_FDCWD, path, now) == 0);
    const auto believed = [&](const FileStatus& before, bool ignore_change_time,
                              bool ignore_inode) {
        Entry entry;
        entry.path = in(path);
        fill_entry(before, entry);
        entry.change_token = encode_change_token(before);
        const Bytes token = entry.change_token;
        FakeView parent;
        parent.add(std::move(entry), std::string(before.size, 'x'));
        TreeSourceOptions options = OneFile::options_for_one(path);
        options.ignore_change_time = ignore_change_time;
        options.ignore_inode = ignore_inode;
        Walker walker(options);
        walker.open(&parent);
        std::optional<SourceEntry> given;
        while (auto entry_now = walker.source().next(0)) {
            given = std::move(entry_now);
        }
        REQUIRE(given);
        REQUIRE(given->entry.path == in(path));
        return given->entry.change_token == token;
    };
    CHECK(believed(now, false, false));
    FileStatus before = now;
    before.changed.seconds -= 5;
    CHECK_FALSE(believed(before, false, false));
    CHECK(believed(before, true, false));
    CHECK_FALSE(believed(before, false, true));
    before.inode += 1;
    CHECK_FALSE(believed(before, true, false));
    CHECK(believed(before, true, true));
    before = now;
    before.inode += 1;
    CHECK(believed(before, false, true));
    CHECK_FALSE(believed(before, false, false));
    before.size += 1;
    CHECK_FALSE(believed(before, true, true));
}

TEST_CASE("a stopped walk ends, and one that has ended stays so")
{
    const TempDir temp;
    write_file(temp / "file", "x");
    Walker walker(options_for({temp.path()}));
    walker.open(nullptr);
    std::thread other([&] {
        while (walker.source().next(1)) {
        }
    });
    while (walker.source().next(0)) {
    }
    other.join();
    CHECK_FALSE(walker.source().next(0));
    CHECK_FALSE(walker.source().next(1));
    walker.source().settle(true);

    walker.open(nullptr);
    std::thread stopper([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        walker.stop.request_stop();
    });
    // Lane 0 does not go on, so lane 1 waits for what it may still find.
    CHECK_THROWS_AS(walker.source().next(1), Error);
    stopper.join();
    walker.source().settle(false);
}

TEST_CASE("roots are made absolute and plain, each once")
{
    CHECK(absolute_roots({"/b/../a//c/", "/a/c", "/./x/."}) ==
          std::vector<std::string>{"/a/c", "/x"});
    CHECK(absolute_roots({"/", "/..", "//"}) == std::vector<std::string>{"/"});
    const std::string here = std::filesystem::current_path().string();
    CHECK(absolute_roots({"."}) == std::vector<std::string>{here});
}

TEST_CASE("a symlink with a slash behind it is the folder that it leads to")
{
    const TempDir temp;
    make_folder(temp / "real");
    make_folder(temp / "real/inside");
    REQUIRE(::symlink("real/inside", (temp / "link").c_str()) == 0);
    REQUIRE(::symlink("nowhere", (temp / "broken").c_str()) == 0);
    REQUIRE(::symlink("real", (temp / "above").c_str()) == 0);
    const auto root = [](const std::string& path) { return absolute_roots({path}).front(); };
    CHECK(root(temp / "link") == temp / "link");
    CHECK(root(temp / "link/") == temp / "real/inside");
    CHECK(root(temp / "link/.") == temp / "real/inside");
    CHECK(root(temp / "link/..") == temp / "real");
    CHECK(root(temp / "link/../inside//") == temp / "real/inside");
    CHECK(root(temp / "above/inside/") == temp / "above/inside");
    CHECK(root(temp / "above/inside/../inside") == temp / "above/inside");
    CHECK(root(temp / "broken/") == temp / "broken");
}

TEST_CASE("extended attributes are read in the open folder, wherever its path leads meanwhile")
{
    const TempDir dir;
    for (const char* folder : {"there", "elsewhere"}) {
        std::filesystem::create_directories(dir / folder + "/inner");
        if (::setxattr((dir / folder + "/inner").c_str(), "user.from", folder, std::strlen(folder),
                       0) != 0) {
            return; // the file system has none
        }
    }
    const FileDescriptor folder(::open((dir / "there").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(folder);
    std::filesystem::rename(dir / "there", dir / "moved");
    std::filesystem::create_directory_symlink("elsewhere", dir / "there");
    std::vector<Xattr> xattrs;
    REQUIRE(read_xattrs(folder.get(), "inner", dir / "there/inner", xattrs) == 0);
    REQUIRE(xattrs.size() == 1);
    CHECK(equal(xattrs.front().value, as_bytes("there")));
}
