#include "source/tree_source.hpp"

#include "support/walked_tree.hpp"

#include <doctest/doctest.h>
#include <functional>
#include <set>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

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

} // namespace

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
