#include "source/tree_source.hpp"

#include "base/file.hpp"
#include "support/walked_tree.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

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
