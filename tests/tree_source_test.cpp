#include "source/tree_source.hpp"

#include "base/file.hpp"
#include "source/file_status.hpp"
#include "source/xattr_reader.hpp"
#include "support/fake_view.hpp"
#include "support/walked_tree.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace backstay::core;

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
