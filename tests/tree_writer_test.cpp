#include "repo/tree_writer.hpp"

#include "base/error.hpp"
#include "repo/repository_view.hpp"
#include "support/sample_blobs.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace backstay::core;

namespace
{

Entry file(std::string path, std::uint64_t size = 0)
{
    Entry entry;
    entry.path = std::move(path);
    entry.size = size;
    entry.mode = 0644;
    return entry;
}

Entry folder(std::string path)
{
    Entry entry;
    entry.path = std::move(path);
    entry.kind = EntryKind::directory;
    entry.mode = 0755;
    return entry;
}

Subtree write(SampleBlobs& blobs, const std::vector<Entry>& entries)
{
    TreeWriter writer(blobs.keys(), blobs.lane());
    for (const Entry& entry : entries) {
        writer.add(entry);
    }
    const Subtree root = writer.finish();
    blobs.publish();
    return root;
}

std::string refusal(SampleBlobs& blobs, const std::vector<Entry>& entries)
{
    try {
        write(blobs, entries);
    } catch (const Error& error) {
        return error.code() == ErrorCode::invalid ? error.subject() : "another error";
    }
    return "no error";
}

std::string numbered(const char* prefix, int number)
{
    std::string digits = std::to_string(number);
    return prefix + std::string(8 - digits.size(), '0') + digits;
}

/// A folder of many files, each with a content of `items` chunks.
std::vector<Entry> many_files(int count, int items)
{
    std::vector<Entry> entries;
    entries.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        Entry entry = file(numbered("name", i), 10);
        for (int chunk = 0; chunk < items; ++chunk) {
            BlobId id{{1}};
            std::memcpy(id.bytes.data() + 1, &i, sizeof i);
            std::memcpy(id.bytes.data() + 8, &chunk, sizeof chunk);
            entry.content.items.push_back({10, id});
        }
        entries.push_back(std::move(entry));
    }
    return entries;
}

} // namespace

TEST_CASE("what an entry says to lie below it is left out: only what is written counts")
{
    SampleBlobs blobs;
    Entry plain = file("a", 3);
    plain.subtree = Subtree{BlobId{{7}}, 9, 9};
    Entry above = folder("b");
    above.subtree = plain.subtree;
    RepositoryView view(blobs.reader(), write(blobs, {plain, above}));
    CHECK(!view.lookup("a")->subtree);
    CHECK(view.lookup("a")->size == 3);
    CHECK(view.lookup("b")->subtree->entries == 0);
    CHECK(view.root().entries == 2);
    CHECK(view.root().bytes == 3);
}

TEST_CASE("totals of a tree count what lies in it on all levels")
{
    SampleBlobs blobs;
    const Subtree root = write(blobs, {folder("a"), file("a/x", 5), folder("a/y"), file("a/y/z", 7),
                                       folder("b"), file("c", 100)});
    CHECK(root.entries == 6);
    CHECK(root.bytes == 112);
    RepositoryView view(blobs.reader(), root);
    CHECK(view.lookup("a")->subtree->entries == 3);
    CHECK(view.lookup("a")->subtree->bytes == 12);
    CHECK(view.lookup("b")->subtree->entries == 0);
}

TEST_CASE("sizes that add up to more than 2^64 stop at the most there is")
{
    SampleBlobs blobs;
    const Subtree root = write(
        blobs, {file("a", UINT64_MAX / 2), file("b", UINT64_MAX / 2), file("c", UINT64_MAX / 2)});
    CHECK(root.bytes == UINT64_MAX);
    RepositoryView view(blobs.reader(), root);
    CHECK(view.lookup("b"));
}

TEST_CASE("folders that no entry names are made without attributes")
{
    SampleBlobs blobs;
    const Subtree root = write(blobs, {file("a/b/c"), file("a/b/d"), file("a/e/f")});
    CHECK(root.entries == 6);
    RepositoryView view(blobs.reader(), root);
    const auto implied = view.lookup("a/b");
    REQUIRE(implied);
    CHECK(implied->kind == EntryKind::directory);
    CHECK(!implied->mode);
    CHECK(implied->subtree->entries == 2);
    CHECK(view.lookup("a/e/f"));
}

TEST_CASE("empty folders share one page")
{
    SampleBlobs blobs;
    const Subtree root = write(blobs, {folder("a"), folder("b"), folder("b/c")});
    CHECK(blobs.new_blobs() == 3); // the root, "b", and what "a" and "b/c" share
    RepositoryView view(blobs.reader(), root);
    CHECK(view.lookup("a")->subtree == view.lookup("b/c")->subtree);
    CHECK(write(blobs, {}) == *view.lookup("a")->subtree);
}

TEST_CASE("entries out of order, twice or below no folder are refused by their path")
{
    SampleBlobs blobs;
    CHECK(refusal(blobs, {file("b"), file("a")}) == "a");
    CHECK(refusal(blobs, {file("a"), file("a")}) == "a");
    CHECK(refusal(blobs, {folder("a"), folder("a")}) == "a");
    CHECK(refusal(blobs, {file("a/b"), folder("a")}) == "a");
    CHECK(refusal(blobs, {file("a.b"), file("a/b")}) == "a/b");
    CHECK(refusal(blobs, {file("a"), file("a/b")}) == "a/b");
    CHECK(refusal(blobs, {file("d/a"), file("d/a/b/c")}) == "d/a/b/c");
    CHECK(refusal(blobs, {file("a/../b")}) == "a/../b");
    CHECK(refusal(blobs, {file("")}) == "");
    CHECK(refusal(blobs, {folder("a"), file("a/b"), file("a.b"), file("ab")}) == "no error");
}

TEST_CASE("large attributes get a page of their own, and those beyond every page are refused")
{
    SampleBlobs blobs;
    std::vector<Entry> entries;
    for (int i = 0; i < 40; ++i) {
        entries.push_back(file(numbered("f", i)));
    }
    for (const char* name : {"user.a", "user.b", "user.c"}) {
        entries[20].xattrs.push_back({name, Bytes(max_xattr_value, 1)});
    }
    const Subtree root = write(blobs, entries);
    RepositoryView view(blobs.reader(), root);
    for (const Entry& entry : entries) {
        const auto found = view.lookup(entry.path);
        REQUIRE(found);
        CHECK(*found == entry);
    }
    CHECK(blobs.largest() > 3 * max_xattr_value);
    CHECK(blobs.largest() < 3 * max_xattr_value + 10'000);

    entries[20].xattrs.push_back({"user.d", Bytes(max_xattr_value, 1)});
    for (Entry& entry : entries) {
        entry.path = "deep/er/" + entry.path;
    }
    CHECK(refusal(blobs, entries) == entries[20].path);
}

TEST_CASE("one changed, added or removed entry among a million changes few pages")
{
    SampleBlobs blobs;
    std::vector<Entry> entries = many_files(1'000'000, 0);
    write(blobs, entries);
    const std::uint64_t all = blobs.new_blobs();
    CHECK(all > 1'000'000 / max_page_entries);
    CHECK(all < 1'000'000 / average_page_entries * 2);

    entries[500'000].mode = 0600;
    write(blobs, entries);
    const std::uint64_t changed = blobs.new_blobs() - all;
    CHECK(changed == 3); // a page a level

    entries.insert(entries.begin() + 700'001, file("name00700000x"));
    entries.erase(entries.begin() + 300'000);
    write(blobs, entries);
    CHECK(blobs.new_blobs() - all - changed <= 12);
}

TEST_CASE("a change in a folder of large entries changes few pages, too")
{
    SampleBlobs blobs;
    std::vector<Entry> entries = many_files(3'000, 200);
    write(blobs, entries);
    const std::uint64_t all = blobs.new_blobs();
    CHECK(blobs.largest() <= max_page_bytes);

    entries.insert(entries.begin() + 1'001, file("name00001000x"));
    entries[2'000].content.items.resize(100);
    write(blobs, entries);
    CHECK(blobs.new_blobs() - all <= 16);
}
