#include "base/error.hpp"
#include "engine/listing.hpp"
#include "format/encoding.hpp"
#include "repo/record_stream.hpp"
#include "support/sample_snapshots.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

using Texts = std::vector<std::string>;
using Tree = SampleSnapshots::Tree;

Tree small_tree()
{
    return {{"files/a/one.txt", {{}, "one"}},
            {"files/a/b/two.txt", {{}, "two"}},
            {"files/c.txt", {{}, "c"}},
            {"stream/dump.sql", {{}, "select"}}};
}

struct Listed {
    Texts paths;
    Record summary;
};

Listed list(SampleSnapshots& sample, const Snapshot& snapshot, const std::string& path,
            const EntriesOptions& options = {})
{
    EmittedRecords records;
    Record summary =
        list_entries(sample.repository(), snapshot, path, options, {}, records.context());
    return {records.texts("entry", "path"), std::move(summary)};
}

Texts find(SampleSnapshots& sample, const FindOptions& options)
{
    EmittedRecords records;
    find_entries(sample.repository(), options, {}, records.context());
    return records.texts("entry", "path");
}

} // namespace

TEST_CASE("a listing gives the entries below a path, with whole paths, a folder before its content")
{
    SampleSnapshots sample;
    const Snapshot snapshot = sample.commit(small_tree());
    const Texts all{"files",           "files/a",     "files/a/b", "files/a/b/two.txt",
                    "files/a/one.txt", "files/c.txt", "stream",    "stream/dump.sql"};
    CHECK(list(sample, snapshot, "").paths == all);
    CHECK(list(sample, snapshot, "", {.recursive = false}).paths == Texts{"files", "stream"});
    CHECK(list(sample, snapshot, "/a").paths ==
          Texts{"files/a/b", "files/a/b/two.txt", "files/a/one.txt"});
    CHECK(list(sample, snapshot, "stream/").paths == Texts{"stream/dump.sql"});
    const Listed one = list(sample, snapshot, "/a/b/two.txt");
    CHECK(one.paths == Texts{"files/a/b/two.txt"});
    CHECK(one.summary.number("entries") == 1);
    CHECK(one.summary.text("verdict") == "ok");
}

TEST_CASE("a path that a snapshot does not have cannot be listed")
{
    SampleSnapshots sample;
    const Snapshot snapshot = sample.commit(small_tree());
    CHECK(error_name_of([&] { list(sample, snapshot, "/a/none"); }) == "not-found");
    CHECK(error_name_of([&] { list(sample, snapshot, "/c.txt/x"); }) == "not-found");
    CHECK(error_name_of([&] { list(sample, snapshot, "/a/../c.txt"); }) == "invalid");
}

TEST_CASE("a folder that cannot be read is told, and the listing goes on")
{
    SampleSnapshots sample;
    const Snapshot snapshot = sample.commit_with_lost_folder("a", "z");
    EmittedRecords records;
    const Record summary =
        list_entries(sample.repository(), snapshot, "", {}, {}, records.context());
    CHECK(records.texts("entry", "path") == Texts{"files", "files/a", "files/z"});
    CHECK(records.texts("problem", "path") == Texts{"files/a"});
    CHECK(summary.text("verdict") == "problems");
}

TEST_CASE("the problems of a backup are listed as they were told")
{
    SampleSnapshots sample;
    SnapshotRecord about;
    const Snapshot snapshot = sample.commit_root([&about](BlobWriter::Lane& lane) {
        RecordWriter writer(lane);
        for (const char* path : {"etc/shadow", "etc/gshadow"}) {
            Bytes bytes;
            Encoder encoder(bytes);
            encode_problem(encoder, {"files", path, static_cast<int>(ErrorCode::denied), "no"});
            writer.add(bytes);
        }
        about.problems = writer.finish();
        lane.flush();
        return Subtree{lane.put(BlobKind::tree_node, encode_tree_page({})).id, 0, 0};
    });
    Snapshot with_problems = snapshot;
    with_problems.record.problems = about.problems;
    EmittedRecords records;
    const Record summary = list_entries(sample.repository(), with_problems, "", {.problems = true},
                                        {}, records.context());
    CHECK(records.texts("problem", "path") == Texts{"etc/shadow", "etc/gshadow"});
    CHECK(records.texts("problem", "code") == Texts{"denied", "denied"});
    CHECK(summary.number("entries") == 2);
}

TEST_CASE("a search finds names, paths and folders in every snapshot that has them")
{
    SampleSnapshots sample;
    sample.commit(small_tree());
    Tree changed = small_tree();
    changed["files/a/new.TXT"] = {{}, "new"};
    changed.erase("files/c.txt");
    const Snapshot second = sample.commit(changed);

    CHECK(find(sample, {.patterns = {"two.txt"}}) ==
          Texts{"files/a/b/two.txt", "files/a/b/two.txt"});
    CHECK(find(sample, {.patterns = {"c.txt", "new.*"}}) ==
          Texts{"files/c.txt", "files/a/new.TXT"});
    CHECK(find(sample, {.patterns = {"*.txt"}, .snapshot = second.record.id.hex()}) ==
          Texts{"files/a/b/two.txt", "files/a/one.txt"});
    CHECK(find(sample,
               {.patterns = {"*.txt"}, .ignore_case = true, .snapshot = second.record.id.hex()})
              .size() == 3);
    CHECK(find(sample, {.patterns = {"/a/b"}, .snapshot = "latest"}) == Texts{"files/a/b"});
    CHECK(find(sample, {.patterns = {"*.sql"}, .snapshot = "latest"}) == Texts{"stream/dump.sql"});
    CHECK(find(sample, {.patterns = {"none"}}).empty());
}

TEST_CASE("a search names the snapshot of each match, and counts what it cannot read")
{
    SampleSnapshots sample;
    const Snapshot first = sample.commit(small_tree());
    const Snapshot second = sample.commit_with_lost_folder("a", "z");
    EmittedRecords records;
    const Record summary =
        find_entries(sample.repository(), {.patterns = {"[cz]*"}}, {}, records.context());
    CHECK(records.texts("entry", "path") == Texts{"files/c.txt", "files/z"});
    CHECK(records.texts("entry", "snapshot") ==
          Texts{first.record.id.hex(), second.record.id.hex()});
    CHECK(summary.number("problems") == 1);
    CHECK(summary.text("verdict") == "problems");
}
