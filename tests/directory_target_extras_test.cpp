#include "target/directory_target.hpp"

#include "support/restored_folder.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("a folder in the way of a file goes only if it is empty or extras are removed")
{
    for (const bool filled : {false, true}) {
        for (const bool delete_extra : {false, true}) {
            for (const EntryKind kind : {EntryKind::file, EntryKind::symlink, EntryKind::fifo}) {
                CAPTURE(filled);
                CAPTURE(delete_extra);
                CAPTURE(static_cast<int>(kind));
                const TempDir dir;
                mkdir((dir / "out").c_str(), 0755);
                mkdir((dir / "out/thing").c_str(), 0755);
                if (filled) {
                    write_file(dir / "out/thing/inside", "precious");
                }
                FakeView view;
                Entry entry = plain("thing", kind);
                entry.link_target = kind == EntryKind::symlink ? "somewhere" : "";
                view.add(entry, kind == EntryKind::file ? "bytes" : "");
                Told told;
                DirectoryTargetOptions options = into(dir / "out");
                options.delete_extra = delete_extra;
                restore(view, options, told);
                const bool stays = filled && !delete_extra;
                CHECK(told.problems.size() == (stays ? 1 : 0));
                CHECK(told.step_for("thing") == (stays ? "conflict skip" : ""));
                CHECK(S_ISDIR(stat_of(dir / "out/thing").st_mode) == stays);
                CHECK_FALSE(has_temporary_files(dir / "out"));
            }
        }
    }
}

TEST_CASE("extras go only in folders of the snapshot, and never what a symlink leads to")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("kept", EntryKind::directory));
    view.add(plain("kept/file"), "1");
    view.add(plain("kept-too"), "2");
    view.add(plain("unreadable", EntryKind::directory));
    Told told;
    restore(view, into(dir / "out"), told);
    mkdir((dir / "outside").c_str(), 0755);
    write_file(dir / "outside/file", "untouched");
    mkdir((dir / "out/extra").c_str(), 0755);
    mkdir((dir / "out/extra/deep").c_str(), 0755);
    write_file(dir / "out/extra/deep/file", "x");
    write_file(dir / "out/kept/extra", "x");
    write_file(dir / "out/unreadable/stays", "x");
    write_file(dir / "out/left-out", "x");
    REQUIRE(symlink("../outside", (dir / "out/link").c_str()) == 0);
    REQUIRE(symlink("../../outside", (dir / "out/extra/link").c_str()) == 0);

    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    target.begin(plain("", EntryKind::directory));
    const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
    while (const auto entry = cursor->next()) {
        if (entry->path == "unreadable") {
            target.leave_alone("left-out");
        }
        const auto begun = target.begin(*entry);
        if (begun.file) {
            target.keep(begun.file);
        }
        if (entry->path == "unreadable") {
            target.leave_alone("unreadable");
        }
    }
    CHECK(is_there(dir / "out/extra"));
    target.finish_folders({});
    CHECK(told.all_problems() == "");
    std::string left;
    for (const auto& [path, line] : list_tree(dir / "out")) {
        left += path + " ";
    }
    CHECK(left == "kept kept-too kept/file left-out unreadable unreadable/stays ");
    CHECK(read_file(dir / "outside/file") == "untouched");
}

TEST_CASE("nothing is removed once a part of the snapshot could not be read")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    write_file(dir / "out/maybe-in-the-snapshot", "x");
    Told told;
    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    target.begin(plain("", EntryKind::directory));
    target.keep_extras();
    target.finish_folders({});
    CHECK(told.problems.size() == 1);
    CHECK(is_there(dir / "out/maybe-in-the-snapshot"));
}

TEST_CASE("nothing is removed where two walks meet in one folder")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/one"), "1");
    view.add(plain("folder/two"), "2");
    Told told;
    restore(view, into(dir / "out"), told);
    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    for (const std::string name : {"folder/two", "folder/one"}) {
        target.begin(plain("folder", EntryKind::directory));
        const auto begun = target.begin(plain(name));
        target.keep(begun.file);
        target.begin(plain("somewhere-else"));
    }
    target.finish_folders({});
    CHECK(is_there(dir / "out/folder/one"));
    CHECK(is_there(dir / "out/folder/two"));
}

TEST_CASE("extras at any depth go with few descriptors")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    int at = open((dir / "out").c_str(), O_RDONLY | O_DIRECTORY);
    for (int depth = 0; depth < 500; ++depth) {
        REQUIRE(mkdirat(at, "deeper-and-deeper-and-deeper", 0755) == 0);
        const int next = openat(at, "deeper-and-deeper-and-deeper", O_RDONLY | O_DIRECTORY);
        close(openat(next, "file", O_WRONLY | O_CREAT, 0644));
        close(at);
        at = next;
    }
    close(at);
    Told told;
    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    target.begin(plain("", EntryKind::directory));
    target.finish_folders({});
    CHECK(told.all_problems() == "");
    CHECK(list_tree(dir / "out").empty());
}

TEST_CASE("extras on another file system stay")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    mkdir((dir / "out/extra").c_str(), 0755);
    mkdir((dir / "out/extra/mounted").c_str(), 0755);
    const SmallFileSystem small(dir / "out/extra/mounted", "size=64k");
    if (!small.mounted()) {
        MESSAGE("not root, or mounting is forbidden: nothing tested");
        return;
    }
    write_file(dir / "out/extra/mounted/file", "on another file system");
    write_file(dir / "out/extra/file", "x");
    Told told;
    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    target.begin(plain("", EntryKind::directory));
    target.finish_folders({});
    CHECK(told.problems.size() == 1);
    CHECK(read_file(dir / "out/extra/mounted/file") == "on another file system");
    CHECK_FALSE(is_there(dir / "out/extra/file"));
}
