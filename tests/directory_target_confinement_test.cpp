#include "target/directory_target.hpp"

#include "support/restored_folder.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("no name of a snapshot leads out of the folder that is restored to")
{
    const TempDir dir;
    mkdir((dir / "outside").c_str(), 0755);
    mkdir((dir / "out").c_str(), 0755);
    for (const std::string path : {"..", "../outside/x", "a/../../outside/x",
                                   "/tmp/backstay-hostile", ".", "a//b", "a/", "a/./b", "./a"}) {
        CAPTURE(path);
        for (const EntryKind kind : {EntryKind::file, EntryKind::directory, EntryKind::symlink,
                                     EntryKind::fifo, EntryKind::hard_link}) {
            Told told;
            DirectoryTarget target(into(dir / "out"), told.events());
            Entry entry = plain(path, kind);
            entry.link_target = "../outside/x";
            const auto begun = target.begin(entry);
            CHECK(begun.file == nullptr);
            target.finish_folders({});
            CHECK(told.problems.size() == 1);
        }
    }
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    target.begin(plain(std::string("nul\0byte", 8)));
    CHECK(told.problems.size() == 1);
    CHECK(list_tree(dir.path()).size() == 2);
    CHECK_FALSE(is_there("/tmp/backstay-hostile"));
}

TEST_CASE("a symlink planted by an earlier entry is not walked through")
{
    const TempDir dir;
    mkdir((dir / "outside").c_str(), 0755);
    write_file(dir / "outside/victim", "untouched");
    mkdir((dir / "out").c_str(), 0755);
    Told told;
    {
        DirectoryTargetOptions options = into(dir / "out");
        options.delete_extra = true;
        DirectoryTarget target(options, told.events());
        target.begin(symlink_to("a", "../outside"));
        const auto file = target.begin(plain("a/victim"));
        CHECK(file.file == nullptr);
        target.begin(plain("a/folder", EntryKind::directory));
        target.begin(plain("a/folder/deeper"));
        target.begin(symlink_to("b", "../outside/victim"));
        const auto through = target.begin(plain("c"));
        REQUIRE(through.file != nullptr);
        target.write(*through.file, 0, as_bytes("x"));
        target.finish(through.file, DirectoryTarget::Wholeness::whole);
        target.finish_folders({});
    }
    CHECK(told.problems.size() == 3);
    CHECK(list_tree(dir / "outside").size() == 1);
    CHECK(read_file(dir / "outside/victim") == "untouched");
    CHECK(S_ISLNK(stat_of(dir / "out/a").st_mode));
}

TEST_CASE("a symlink that lies where a file or folder must be is replaced, not followed")
{
    const TempDir dir;
    mkdir((dir / "outside").c_str(), 0755);
    write_file(dir / "outside/file", "untouched");
    mkdir((dir / "out").c_str(), 0755);
    REQUIRE(symlink("../outside", (dir / "out/folder").c_str()) == 0);
    REQUIRE(symlink("../outside/file", (dir / "out/file").c_str()) == 0);
    const std::string before = list_tree(dir / "outside").at("file");
    FakeView view;
    view.add(plain("file"), "restored");
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/file"), "inside");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.all_problems() == "");
    CHECK(list_tree(dir / "outside") == TreeListing{{"file", before}});
    CHECK(read_file(dir / "out/folder/file") == "inside");
    CHECK(S_ISDIR(stat_of(dir / "out/folder").st_mode));
    CHECK(S_ISREG(stat_of(dir / "out/file").st_mode));
}

TEST_CASE("a symlink that led to what was saved stays, and hides nothing else behind it")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    mkdir((dir / "out/real").c_str(), 0755);
    write_file(dir / "out/real/other", "untouched");
    REQUIRE(symlink("real", (dir / "out/link").c_str()) == 0);
    REQUIRE(symlink("nowhere", (dir / "out/broken").c_str()) == 0);
    FakeView view;
    for (const char* name : {"broken", "link"}) {
        Entry above = plain(name, EntryKind::directory);
        above.modified.reset();
        view.add(above);
        view.add(plain(name + std::string("/saved")), "bytes");
    }
    for (const bool dry_run : {true, false}) {
        Told told;
        DirectoryTargetOptions options = into(dir / "out");
        options.delete_extra = true;
        options.dry_run = dry_run;
        restore(view, options, told);
        CHECK(told.step_for("link") == "conflict skip");
        CHECK(told.problems.size() == (dry_run ? 0 : 1));
    }
    CHECK(S_ISLNK(stat_of(dir / "out/link").st_mode));
    CHECK_FALSE(is_there(dir / "out/real/saved"));
    CHECK(read_file(dir / "out/broken/saved") == "bytes");
}

TEST_CASE("a folder swapped for a symlink while files are open does not lead their bytes out")
{
    const TempDir dir;
    mkdir((dir / "outside").c_str(), 0755);
    FakeView view;
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/file"), "secret");
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    auto files = begin_all(view, target);
    REQUIRE(rename((dir / "out/folder").c_str(), (dir / "moved").c_str()) == 0);
    REQUIRE(symlink("../outside", (dir / "out/folder").c_str()) == 0);
    write_data(view, target, files.at(0));
    target.finish(files.at(0).file, DirectoryTarget::Wholeness::whole);
    target.finish_folders({});
    CHECK(list_tree(dir / "outside").empty());
}

TEST_CASE("hard links of an archive stay inside")
{
    const TempDir dir;
    write_file(dir / "victim", "outside");
    FakeView view;
    view.add(plain("first"), "bytes");
    view.add(symlink_to("escape", ".."));
    const auto link = [&](const std::string& path, const std::string& target) {
        Entry entry = plain(path, EntryKind::hard_link);
        entry.link_target = target;
        view.add(entry);
    };
    link("good", "first");
    link("up", "../victim");
    link("absolute", dir / "victim");
    link("through", "escape/victim");
    link("nothing", "not-there");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.problems.size() == 4);
    CHECK(stat_of(dir / "victim").st_nlink == 1);
    CHECK(stat_of(dir / "out/good").st_ino == stat_of(dir / "out/first").st_ino);
    CHECK(list_tree(dir / "out").size() == 3);
}
