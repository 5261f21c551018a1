#include "engine/backup.hpp"
#include "engine/verify.hpp"
#include "source/tree_source.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <filesystem>

using namespace backstay::core;

namespace
{

/// A folder of its own with a tree in it that is backed up and verified.
struct SampleTree {
    SampleTree()
    {
        std::filesystem::create_directory(temp / "root");
        write_file(temp / "root/file", "kept");
        options.roots = {temp / "root"};
    }

    Record back_up(const BackupOptions& given = {})
    {
        JobContext context({}, [this](const Record& record) { keep(record); });
        const BackupSource source{
            "files", "tree", absolute_roots(options.roots), make_tree_source(options), false, ""};
        return run_backup(*sample.repository, {source}, given, small_limits(), context);
    }

    Record verify()
    {
        JobContext context({}, [this](const Record& record) { keep(record); });
        const Snapshot last = list_snapshots(*sample.repository, {}).snapshots.back();
        const auto living = recorded_source(last, "files", small_limits());
        return run_verify(*sample.repository, last, "files", *living, small_limits(), context);
    }

    void keep(const Record& record)
    {
        const std::lock_guard lock(mutex_);
        records.push_back(record);
    }

    std::vector<std::string> paths_of(const std::string& type) const
    {
        std::vector<std::string> paths;
        for (const Record& record : records) {
            if (record.text("type") == type) {
                paths.push_back(record.text("path"));
            }
        }
        return paths;
    }

    TempDir temp;
    SampleRepository sample;
    TreeSourceOptions options;
    std::vector<Record> records;

private:
    std::mutex mutex_; // guards records
};

} // namespace

TEST_CASE("what changes beside a root is no change of the backup")
{
    SampleTree tree;
    tree.back_up();
    tree.sample.clock.advance(60);
    write_file(tree.temp / "somebody else's", "x");
    BackupOptions options;
    options.skip_if_unchanged = true;
    const Record summary = tree.back_up(options);
    CHECK(summary.number("entries_changed") == 0);
    CHECK(summary.number("unchanged") == 1);
    CHECK(list_snapshots(*tree.sample.repository, {}).snapshots.size() == 1);
}

TEST_CASE("a problem of a tree is told by its absolute path")
{
    SampleTree tree;
    tree.options.roots.push_back(tree.temp / "missing");
    tree.back_up();
    CHECK(tree.paths_of("problem") == std::vector<std::string>{tree.temp / "missing"});
    tree.records.clear();
    tree.verify();
    CHECK(tree.paths_of("problem") == std::vector<std::string>{tree.temp / "missing"});
}

TEST_CASE("verify leaves out what the backup left out")
{
    SampleTree tree;
    tree.options.excludes = {"*.tmp", "bytes\xff*"};
    tree.options.excludes_ignoring_case = {"*.bak"};
    tree.options.exclude_if_present = {".nobackup"};
    tree.options.exclude_larger_than = 100;
    tree.options.exclude_caches = true;
    tree.back_up();
    std::filesystem::create_directories(tree.temp / "root/left out/deep");
    for (const char* name : {"a.tmp", "b.BAK", "bytes\xff.c", "left out/.nobackup"}) {
        write_file(tree.temp / "root/" + name, "x");
    }
    write_file(tree.temp / "root/large", std::string(101, 'x'));
    write_file(tree.temp / "root/new", "x");
    const Record summary = tree.verify();
    std::vector<std::string> added = tree.paths_of("difference");
    std::sort(added.begin(), added.end());
    const std::string inside = (tree.temp / "root").substr(1);
    CHECK(added == std::vector<std::string>{inside, inside + "/left out",
                                            inside + "/left out/.nobackup", inside + "/new"});
    CHECK(summary.number("problems") == 4);
}
