#include "base/error.hpp"
#include "engine/listing.hpp"
#include "support/sample_snapshots.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace backstay::core;

namespace
{

using Tree = SampleSnapshots::Tree;
using File = SampleSnapshots::File;

Entry folder()
{
    Entry entry;
    entry.kind = EntryKind::directory;
    return entry;
}

Entry with_mode(std::uint32_t mode)
{
    Entry entry;
    entry.mode = mode;
    return entry;
}

/// "+path" added, "-path" removed, "~path" modified, in the order told; "!path" a problem.
struct Told {
    std::vector<std::string> differences;
    Record summary;
};
using Texts = std::vector<std::string>;

Told diff(SampleSnapshots& sample, const Snapshot& before, const Snapshot& after,
          const std::string& path = "", const DiffOptions& options = {})
{
    EmittedRecords records;
    Told told;
    told.summary = diff_snapshots(sample.repository(), before, path, after, path, options, {},
                                  records.context());
    for (const Record& record : records.all()) {
        const std::string change = record.text("change");
        const char* sign = change == "added"      ? "+"
                           : change == "removed"  ? "-"
                           : change == "modified" ? "~"
                                                  : "!";
        told.differences.push_back(sign + record.text("path"));
    }
    return told;
}

} // namespace

TEST_CASE("differences of snapshots are what was added, removed and modified, in walk order")
{
    SampleSnapshots sample;
    const Snapshot before = sample.commit({{"files/a/gone", {{}, "x"}},
                                           {"files/a/same", {{}, "same"}},
                                           {"files/b", {{}, "file"}},
                                           {"files/old/deep/f", {{}, "1"}},
                                           {"files/z", {{}, "before"}}});
    const Snapshot after = sample.commit({{"files/a/new", {{}, "y"}},
                                          {"files/a/same", {{}, "same"}},
                                          {"files/b", {folder(), ""}},
                                          {"files/b/inside", {{}, "2"}},
                                          {"files/z", {{}, "after!"}}});
    const Told told = diff(sample, before, after);
    CHECK(told.differences == Texts{"-files/a/gone", "+files/a/new", "~files/b", "+files/b/inside",
                                    "-files/old", "-files/old/deep", "-files/old/deep/f",
                                    "~files/z"});
    CHECK(told.summary.number("added") == 2);
    CHECK(told.summary.number("removed") == 4);
    CHECK(told.summary.number("modified") == 2);
    CHECK(told.summary.number("differences") == 8);
    CHECK(diff(sample, before, before).differences.empty());
    CHECK(diff(sample, before, after, "/a").differences == Texts{"-files/a/gone", "+files/a/new"});
    CHECK(diff(sample, before, after, "/z").differences == Texts{"~files/z"});
    CHECK(diff(sample, before, after, "/a/same").differences.empty());
}

TEST_CASE("differences of attributes alone are told only when asked for")
{
    SampleSnapshots sample;
    const Snapshot before = sample.commit({{"files/a", {with_mode(0644), "same"}}});
    const Snapshot after = sample.commit({{"files/a", {with_mode(0600), "same"}}});
    CHECK(diff(sample, before, after).differences.empty());
    CHECK(diff(sample, before, after, "", {.metadata = true}).differences == Texts{"~files/a"});
}

TEST_CASE("differences of random trees are those of their maps")
{
    SampleSnapshots sample;
    std::mt19937_64 random(3);
    const auto name = [&random] {
        return "files/" + std::to_string(random() % 8) + "/" + std::to_string(random() % 8) + "/f" +
               std::to_string(random() % 20);
    };
    Tree tree;
    for (int i = 0; i < 800; ++i) {
        tree[name()] = File{{}, std::to_string(random() % 1000)};
    }
    for (int round = 0; round < 10; ++round) {
        Tree changed = tree;
        for (int i = 0; i < 12; ++i) {
            changed[name()] = File{{}, std::to_string(random() % 3)};
            changed.erase(name());
        }
        Texts expected;
        for (const auto& [path, file] : tree) {
            const auto found = changed.find(path);
            if (found == changed.end()) {
                expected.push_back("-" + path);
            } else if (found->second.bytes != file.bytes) {
                expected.push_back("~" + path);
            }
        }
        for (const auto& [path, file] : changed) {
            if (tree.count(path) == 0) {
                expected.push_back("+" + path);
            }
        }
        Texts told = diff(sample, sample.commit(tree), sample.commit(changed)).differences;
        std::erase_if(told, [](const std::string& path) { // folders that came or went
            return path.find("/f") == path.find("files") || path.rfind("/f") < 8;
        });
        std::sort(told.begin(), told.end());
        std::sort(expected.begin(), expected.end());
        CHECK(told == expected);
    }
}

TEST_CASE("what one snapshot holds of a folder that the other cannot read is no difference")
{
    SampleSnapshots sample;
    const Tree whole{{"files/a/x", {{}, "1"}}, {"files/a/y", {{}, "2"}}, {"files/z", {{}, ""}}};
    const Snapshot after = sample.commit(whole);
    const Snapshot before = sample.commit_with_lost_folder("a", "q");
    const Told told = diff(sample, before, after);
    CHECK(told.differences == Texts{"!files/a", "-files/q", "+files/z"});
    CHECK(told.summary.number("problems") == 1);
    CHECK(told.summary.text("verdict") == "problems");
    const Told back = diff(sample, after, before);
    CHECK(back.differences == Texts{"!files/a", "+files/q", "-files/z"});
}
