#include "target/directory_target.hpp"

#include "base/file.hpp"
#include "support/random_tree.hpp"
#include "support/restored_folder.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <random>
#include <sys/resource.h>
#include <thread>

using namespace backstay::core;

namespace
{

/// Every piece of every file in any order, from two threads; files are finished by whoever writes
/// their last piece.
void restore_shuffled(SnapshotView& view, DirectoryTarget& target, std::uint64_t seed)
{
    struct Job {
        std::size_t file;
        std::uint64_t begin;
        std::uint64_t end;
    };
    const std::vector<OpenFile> files = begin_all(view, target);
    std::vector<Job> jobs;
    std::vector<std::atomic<int>> left(files.size());
    for (std::size_t at = 0; at < files.size(); ++at) {
        const auto stream = view.open_stream(files[at].entry);
        for (auto extent = stream->next_data(0); extent; extent = stream->next_data(extent->end)) {
            const std::uint64_t middle = (extent->begin + extent->end) / 2;
            jobs.push_back({at, extent->begin, middle});
            jobs.push_back({at, middle, extent->end});
            left[at] += 2;
        }
        if (left[at] == 0) {
            jobs.push_back({at, 0, 0});
            left[at] = 1;
        }
    }
    std::shuffle(jobs.begin(), jobs.end(), std::mt19937_64(seed));
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
        for (std::size_t at = next++; at < jobs.size(); at = next++) {
            const Job& job = jobs[at];
            const OpenFile& open = files[job.file];
            Bytes bytes(job.end - job.begin);
            view.open_stream(open.entry)->read_at(job.begin, bytes, {});
            target.write(*open.file, job.begin, bytes);
            if (--left[job.file] == 0) {
                target.finish(open.file, DirectoryTarget::Wholeness::whole);
            }
        }
    };
    std::thread other(work);
    work();
    other.join();
    target.finish_folders({});
}

void set_time(const std::string& path, std::int64_t seconds, std::int64_t nanoseconds = 0)
{
    const timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

} // namespace

TEST_CASE("a tree comes back as it was, whatever the order of its bytes")
{
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        const TempDir dir;
        const RandomTree tree(seed, 150);
        FakeView view;
        tree.fill(view);
        Told told;
        DirectoryTarget target(into(dir / "out"), told.events());
        restore_shuffled(view, target, seed);
        CHECK(told.all_problems() == "");
        CHECK(told.entries == tree.made().size());
        const TreeListing got = list_tree(dir / "out");
        const TreeListing wanted = tree.expected();
        for (const auto& item : wanted) {
            const std::string& path = item.first;
            const auto& line = item.second;
            CAPTURE(path);
            REQUIRE(got.count(path) == 1);
            CHECK(got.at(path) == line);
        }
        CHECK(got.size() == wanted.size());
    }
}

TEST_CASE("a tree comes back over another one, as it was")
{
    for (std::uint64_t seed = 11; seed <= 14; ++seed) {
        CAPTURE(seed);
        const TempDir dir;
        FakeView before;
        RandomTree(seed + 100, 120).fill(before);
        FakeView after;
        const RandomTree tree(seed, 120);
        tree.fill(after);
        Told ignored;
        restore(before, into(dir / "out"), ignored);
        Told told;
        DirectoryTargetOptions options = into(dir / "out");
        options.delete_extra = true;
        DirectoryTarget target(options, told.events());
        Entry root = plain("", EntryKind::directory);
        target.begin(root);
        restore_shuffled(after, target, seed);
        CHECK(told.all_problems() == "");
        CHECK(list_tree(dir / "out") == tree.expected());
    }
}

TEST_CASE("a second restore changes nothing that is equal")
{
    const TempDir dir;
    FakeView view;
    RandomTree(21, 150).fill(view);
    Told first;
    restore(view, into(dir / "out"), first);
    std::map<std::string, struct stat> before;
    for (const auto& [path, line] : list_tree(dir / "out")) {
        before[path] = stat_of(dir / ("out/" + path));
    }

    for (const Overwrite overwrite :
         {Overwrite::always, Overwrite::if_changed, Overwrite::if_newer, Overwrite::never}) {
        CAPTURE(static_cast<int>(overwrite));
        Told second;
        DirectoryTargetOptions options = into(dir / "out");
        options.overwrite = overwrite;
        restore(view, options, second);
        CHECK(second.all_problems() == "");
        CHECK(second.written == 0);
        for (const auto& item : before) {
            const std::string& path = item.first;
            const auto& was = item.second;
            CAPTURE(path);
            const struct stat is = stat_of(dir / ("out/" + path));
            CHECK(is.st_ino == was.st_ino);
            CHECK(is.st_mtim.tv_nsec == was.st_mtim.tv_nsec);
            CHECK(is.st_ctim.tv_sec == was.st_ctim.tv_sec);
            CHECK(is.st_ctim.tv_nsec == was.st_ctim.tv_nsec);
        }
    }
}

TEST_CASE(
    "a file that differs is replaced by a new one, and the old one lives on under its other names")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    write_file(dir / "out/file", "old");
    REQUIRE(link((dir / "out/file").c_str(), (dir / "elsewhere").c_str()) == 0);
    FakeView view;
    view.add(plain("file"), "new bytes");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.all_problems() == "");
    CHECK(read_file(dir / "out/file") == "new bytes");
    CHECK(read_file(dir / "elsewhere") == "old");
}

TEST_CASE("an interrupted restore leaves every old file whole and nothing temporary")
{
    const TempDir dir;
    FakeView old_view;
    FakeView new_view;
    for (int at = 0; at < 20; ++at) {
        const std::string name = "file" + std::to_string(at);
        old_view.add(plain(name), "old content of " + name);
        new_view.add(plain(name), std::string(10'000, 'n') + name);
        new_view.add(plain("z-new" + std::to_string(at)), "never there before");
    }
    Told told;
    restore(old_view, into(dir / "out"), told);
    {
        DirectoryTarget target(into(dir / "out"), told.events());
        auto files = begin_all(new_view, target);
        for (std::size_t at = 0; at < files.size(); ++at) {
            target.write(*files[at].file, 0, as_bytes("nnn"));
            if (at == 3) {
                write_data(new_view, target, files[at]);
                target.finish(files[at].file, DirectoryTarget::Wholeness::whole);
            }
        }
        CHECK(has_temporary_files(dir / "out"));
        target.abandon();
        // Whoever still works on files does no harm.
        target.write(*files[5].file, 3, as_bytes("nnn"));
        target.finish(files[5].file, DirectoryTarget::Wholeness::whole);
    }
    CHECK_FALSE(has_temporary_files(dir / "out"));
    int replaced = 0;
    for (const auto& item : list_tree(dir / "out")) {
        const std::string& path = item.first;
        CAPTURE(path);
        CHECK(path.substr(0, 4) == "file");
        const std::string content = read_file(dir / ("out/" + path));
        replaced += content == std::string(10'000, 'n') + path ? 1 : 0;
        CHECK((content == "old content of " + path || content == std::string(10'000, 'n') + path));
    }
    CHECK(replaced == 1);
}

TEST_CASE("a damaged file is not put in place, and what was there stays")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    write_file(dir / "out/old", "what was there");
    FakeView view;
    view.add(plain("new"), "bytes that are lost");
    view.add(plain("old"), "bytes that are lost");
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    for (const OpenFile& open : begin_all(view, target)) {
        target.write(*open.file, 0, as_bytes("by"));
        target.finish(open.file, DirectoryTarget::Wholeness::damaged);
    }
    target.finish_folders({});
    CHECK(list_tree(dir / "out").size() == 1);
    CHECK(read_file(dir / "out/old") == "what was there");
}

TEST_CASE("overwriting follows its policy")
{
    struct Case {
        const char* name;
        std::int64_t there_at; ///< relative to the snapshot's file
        const char* there;
        Overwrite overwrite;
        const char* wanted;
    };
    const Case cases[] = {
        {"always replaces", 100, "there", Overwrite::always, "saved"},
        {"never keeps", -100, "there", Overwrite::never, "there"},
        {"newer is kept", 100, "there", Overwrite::if_newer, "there"},
        {"older is replaced", -100, "there", Overwrite::if_newer, "saved"},
        {"same time and size count as equal", 0, "there", Overwrite::if_changed, "there"},
        {"another size is replaced", 0, "there!", Overwrite::if_changed, "saved"},
        {"another time is replaced", 1, "there", Overwrite::if_changed, "saved"},
    };
    for (const Case& test : cases) {
        CAPTURE(test.name);
        const TempDir dir;
        mkdir((dir / "out").c_str(), 0755);
        const Entry entry = plain("file");
        write_file(dir / "out/file", test.there);
        chmod((dir / "out/file").c_str(), 0600);
        set_time(dir / "out/file", entry.modified->seconds + test.there_at,
                 entry.modified->nanoseconds);
        FakeView view;
        view.add(entry, "saved");
        Told told;
        DirectoryTargetOptions options = into(dir / "out");
        options.overwrite = test.overwrite;
        restore(view, options, told);
        CHECK(told.all_problems() == "");
        CHECK(read_file(dir / "out/file") == test.wanted);
        const bool skipped = test.overwrite == Overwrite::never ||
                             (test.overwrite == Overwrite::if_newer && test.there_at > 0);
        CHECK(told.step_for("file") == (skipped ? "skip" : ""));
        CHECK((stat_of(dir / "out/file").st_mode & 07777) == (skipped ? 0600 : 0644));
    }
}

TEST_CASE("the half of a file that an interrupted restore left is not kept as if it were newer")
{
    for (const Overwrite overwrite : {Overwrite::if_newer, Overwrite::never}) {
        const TempDir dir;
        FakeView view;
        view.add(plain("file"), "all of its bytes");
        Told told;
        DirectoryTargetOptions options = into(dir / "out");
        options.overwrite = overwrite;
        DirectoryTarget target(options, told.events());
        const auto files = begin_all(view, target);
        target.write(*files.at(0).file, 0, as_bytes("all"));
        CHECK_FALSE(is_there(dir / "out/file")); // as a kill -9 would leave it
        target.write(*files.at(0).file, 3, as_bytes(" of its bytes"));
        target.finish(files.at(0).file, DirectoryTarget::Wholeness::whole);
        CHECK(read_file(dir / "out/file") == "all of its bytes");
    }
}

TEST_CASE("never overwriting leaves a thing of another kind, and says what is left out")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    write_file(dir / "out/folder", "a file");
    mkdir((dir / "out/file").c_str(), 0755);
    FakeView view;
    view.add(plain("file"), "bytes");
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/inside"), "bytes");
    Told told;
    DirectoryTargetOptions options = into(dir / "out");
    options.overwrite = Overwrite::never;
    restore(view, options, told);
    CHECK(told.step_for("file") == "conflict skip");
    CHECK(told.step_for("folder") == "conflict skip");
    CHECK(told.problems.size() == 2);
    CHECK(read_file(dir / "out/folder") == "a file");
}

TEST_CASE("a full disk ends the restore, says what to do and leaves nothing half done")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    const SmallFileSystem small(dir / "out", "size=128k");
    if (!small.mounted()) {
        MESSAGE("not root, or mounting is forbidden: nothing tested");
        return;
    }
    FakeView view;
    view.add(plain("large"), std::string(300'000, 'x'));
    Told told;
    {
        DirectoryTarget target(into(dir / "out"), told.events());
        try {
            restore(view, target);
            FAIL("it fits?");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::no_space);
            CHECK(std::string(error.what()).find("Make room") != std::string::npos);
        }
    }
    CHECK(list_tree(dir / "out").empty());
}

TEST_CASE("hard links are made whatever file is finished first")
{
    for (const bool reversed : {false, true}) {
        const TempDir dir;
        FakeView view;
        for (const std::string name : {"a1", "b1", "b2", "a2", "z/a3", "z/b3"}) {
            Entry entry = plain(name);
            entry.link = LinkIdentity{1, name.find('a') != std::string::npos ? 1U : 2U};
            view.add(entry, "bytes of " + std::to_string(entry.link->inode));
        }
        view.add(plain("z", EntryKind::directory));
        Told told;
        DirectoryTarget target(into(dir / "out"), told.events());
        auto files = begin_all(view, target);
        CHECK(files.size() == 2);
        if (reversed) {
            std::reverse(files.begin(), files.end());
        }
        for (const OpenFile& open : files) {
            write_data(view, target, open);
            target.finish(open.file, DirectoryTarget::Wholeness::whole);
        }
        target.finish_folders({});
        CHECK(told.all_problems() == "");
        CHECK(stat_of(dir / "out/a1").st_nlink == 3);
        CHECK(stat_of(dir / "out/b2").st_nlink == 3);
        CHECK(stat_of(dir / "out/a1").st_ino == stat_of(dir / "out/z/a3").st_ino);
        CHECK(stat_of(dir / "out/b1").st_ino == stat_of(dir / "out/z/b3").st_ino);
    }
}

TEST_CASE("the other names of a damaged file are told one by one")
{
    const TempDir dir;
    FakeView view;
    for (const std::string name : {"a", "b", "c"}) {
        Entry entry = plain(name);
        entry.link = LinkIdentity{1, 1};
        view.add(entry, "bytes");
    }
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    const auto files = begin_all(view, target);
    REQUIRE(files.size() == 1);
    target.finish(files[0].file, DirectoryTarget::Wholeness::damaged);
    target.finish_folders({});
    CHECK(told.problems.size() == 2);
    CHECK(list_tree(dir / "out").empty());
}

TEST_CASE("holes take no room, and zeros neither if that is wished")
{
    const TempDir dir;
    FakeView view;
    view.add_sparse(plain("holes"), 50 * MiB, {{20 * MiB, "in the middle"}});
    view.add(plain("zeros"), std::string(4 * MiB, '\0') + "x" + std::string(3 * MiB, '\0'));
    for (const bool sparse : {false, true}) {
        const std::string out = dir / (sparse ? "sparse" : "plain");
        Told told;
        DirectoryTargetOptions options = into(out);
        options.sparse = sparse;
        restore(view, options, told);
        CHECK(told.all_problems() == "");
        const struct stat holes = stat_of(out + "/holes");
        CHECK(holes.st_size == 50 * MiB);
        CHECK(holes.st_blocks < 2048);
        const std::string zeros = read_file(out + "/zeros");
        CHECK(zeros == std::string(4 * MiB, '\0') + "x" + std::string(3 * MiB, '\0'));
        CHECK((stat_of(out + "/zeros").st_blocks < 2048) == sparse);
    }
}

TEST_CASE("paths far beyond PATH_MAX come back")
{
    const TempDir dir;
    FakeView view;
    std::string path;
    for (int depth = 0; depth < 40; ++depth) {
        path += (path.empty() ? "" : "/") + std::string(240, 'd') + std::to_string(100 + depth);
        view.add(plain(path, EntryKind::directory));
    }
    view.add(plain(path + "/file"), "deep down");
    view.add(symlink_to(path + "/link", "nowhere"));
    Entry linked = plain(path + "/linked");
    linked.link = LinkIdentity{1, 2};
    view.add(linked, "two names");
    linked.path = "top";
    view.add(linked, "two names");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.all_problems() == "");
    const TreeListing got = list_tree(dir / "out");
    CHECK(got.size() == 44);
    CHECK(got.at(path + "/file") == expected_line(plain(path + "/file"), "deep down", ""));
    CHECK(got.at(path) == expected_line(plain(path, EntryKind::directory), "", ""));
}

TEST_CASE("thousands of files in flight need few descriptors")
{
    const TempDir dir;
    FakeView view;
    for (int folder = 0; folder < 100; ++folder) {
        const std::string name = "folder" + std::to_string(folder);
        view.add(plain(name, EntryKind::directory));
        for (int file = 0; file < 20; ++file) {
            view.add(plain(name + "/" + std::to_string(file)), "first half, second half");
        }
    }
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    rlimit small = before;
    small.rlim_cur = 48;
    setrlimit(RLIMIT_NOFILE, &small);
    Told told;
    {
        DirectoryTarget target(into(dir / "out"), told.events());
        const auto files = begin_all(view, target);
        for (const OpenFile& open : files) {
            target.write(*open.file, 0, as_bytes("first half,"));
        }
        for (const OpenFile& open : files) {
            target.write(*open.file, 11, as_bytes(" second half"));
            target.finish(open.file, DirectoryTarget::Wholeness::whole);
        }
        target.finish_folders({});
    }
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK(told.all_problems() == "");
    const TreeListing got = list_tree(dir / "out");
    CHECK(got.size() == 2100);
    CHECK(got.at("folder7/3") == expected_line(plain("x"), "first half, second half", ""));
}

TEST_CASE("a dry run tells everything and touches nothing")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("changed"), "new!");
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/new"), "12345");
    view.add(plain("newfolder", EntryKind::directory));
    view.add(plain("newfolder/file"), "1");
    view.add(plain("other"), "same");
    view.add(plain("same"), "same");
    view.add(symlink_to("was-file", "x"));
    SUBCASE("where nothing is")
    {
        Told told;
        DirectoryTargetOptions options = into(dir / "out/deep");
        options.dry_run = true;
        restore(view, options, told);
        CHECK(told.all_problems() == "");
        CHECK(told.step_for("newfolder/file") == "create");
        CHECK(told.steps.back().kind == PlanStep::Kind::space);
        CHECK(told.steps.back().bytes == 18);
        CHECK_FALSE(is_there(dir / "out"));
    }
    SUBCASE("over something")
    {
        FakeView before;
        before.add(plain("changed"), "old");
        before.add(plain("extra"), "x");
        before.add(plain("folder", EntryKind::directory));
        Entry other = plain("other");
        other.mode = 0600;
        before.add(other, "same");
        before.add(plain("same"), "same");
        before.add(plain("was-file"), "x");
        Told told;
        restore(before, into(dir / "out"), told);
        const TreeListing was = list_tree(dir / "out");
        const struct stat root_was = stat_of(dir / "out");
        DirectoryTargetOptions options = into(dir / "out");
        options.dry_run = true;
        options.delete_extra = true;
        DirectoryTarget target(options, told.events());
        target.begin(plain("", EntryKind::directory));
        restore(view, target);
        CHECK(told.all_problems() == "");
        CHECK(told.step_for("changed") == "replace");
        CHECK(told.step_for("extra") == "remove");
        CHECK(told.step_for("folder") == "keep");
        CHECK(told.step_for("folder/new") == "create");
        CHECK(told.step_for("other") == "update");
        CHECK(told.step_for("same") == "keep");
        CHECK(told.step_for("was-file") == "replace");
        CHECK(list_tree(dir / "out") == was);
        CHECK(stat_of(dir / "out").st_ctim.tv_nsec == root_was.st_ctim.tv_nsec);
    }
}

TEST_CASE("a snapshot with more bytes than its size says is refused")
{
    const TempDir dir;
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    Entry entry = plain("file");
    entry.size = 4;
    const auto begun = target.begin(entry);
    target.write(*begun.file, 2, as_bytes("four"));
    target.write(*begun.file, ~std::uint64_t{0} - 1, as_bytes("wraps"));
    target.finish(begun.file, DirectoryTarget::Wholeness::whole);
    target.finish_folders({});
    CHECK(told.problems.size() == 1);
    CHECK(list_tree(dir / "out").empty());
}

TEST_CASE("folders that the walk did not give are made")
{
    const TempDir dir;
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    const auto begun = target.begin(plain("a/b/c/file"));
    REQUIRE(begun.file != nullptr);
    target.finish(begun.file, DirectoryTarget::Wholeness::whole);
    target.finish_folders({});
    CHECK(told.all_problems() == "");
    CHECK(is_there(dir / "out/a/b/c/file"));
}

TEST_CASE("verifying finds what differs")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("content"), "right");
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/gone"), "x");
    view.add(symlink_to("link", "target"));
    view.add(plain("mode"), "x");
    view.add(plain("time"), "x");
    view.add(plain("whole"), "x");
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    restore(view, target);
    const auto verify = [&] {
        told.problems.clear();
        const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
        while (const auto entry = cursor->next()) {
            target.verify_entry(*entry, [&](const Entry& same, int descriptor) {
                const auto stream = view.open_stream(same);
                Bytes wanted(stream->size());
                Bytes there(stream->size());
                stream->read_at(0, wanted, {});
                return read_at(descriptor, 0, there, same.path) == there.size() && there == wanted;
            });
        }
    };
    verify();
    CHECK(told.all_problems() == "");

    const int fd = open((dir / "out/content").c_str(), O_WRONLY);
    REQUIRE(pwrite(fd, "wrong", 5, 0) == 5);
    close(fd);
    set_time(dir / "out/content", 1'600'000'000, 123'456'789);
    chmod((dir / "out/mode").c_str(), 0640);
    set_time(dir / "out/time", 1'600'000'001);
    unlink((dir / "out/folder/gone").c_str());
    set_time(dir / "out/folder", 1'600'000'000, 123'456'789);
    unlink((dir / "out/link").c_str());
    REQUIRE(symlink("elsewhere", (dir / "out/link").c_str()) == 0);
    set_time(dir / "out/link", 1'600'000'000, 123'456'789);
    verify();
    REQUIRE(told.problems.size() == 5);
    CHECK(told.problems[0].message.find("content differs") != std::string::npos);
    CHECK(told.problems[1].message.find("not there") != std::string::npos);
    CHECK(told.problems[2].message.find("points elsewhere") != std::string::npos);
    CHECK(told.problems[3].message.find("mode is 0640, not 0644") != std::string::npos);
    CHECK(told.problems[4].message.find("modified at") != std::string::npos);
}

TEST_CASE("a root that cannot be used is said at once")
{
    const TempDir dir;
    write_file(dir / "file", "x");
    Told told;
    CHECK_THROWS_AS(DirectoryTarget(into(dir / "file"), told.events()), Error);
    DirectoryTargetOptions options = into(dir / "missing");
    options.create_root = false;
    try {
        DirectoryTarget(options, told.events());
        FAIL("it is not there");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::not_found);
    }
}
