#include "repo/repository_view.hpp"

#include "base/error.hpp"
#include "repo/content_writer.hpp"
#include "repo/tree_writer.hpp"
#include "support/sample_blobs.hpp"

#include <doctest/doctest.h>
#include <map>
#include <random>
#include <thread>

using namespace backstay::core;

namespace
{

struct PathLess {
    bool operator()(const std::string& a, const std::string& b) const { return path_less(a, b); }
};
using Tree = std::map<std::string, Entry, PathLess>;
using Depth = SnapshotView::Depth;

Entry make(std::string path, EntryKind kind = EntryKind::file)
{
    Entry entry;
    entry.path = std::move(path);
    entry.kind = kind;
    return entry;
}

/// Folders of few and of many entries, with names that sort around '/'.
Tree random_tree(std::uint64_t seed, std::size_t count)
{
    std::mt19937_64 random(seed);
    Tree tree;
    std::vector<std::string> folders{""};
    while (tree.size() < count) {
        const std::string& above = folders[random() % std::min<std::size_t>(folders.size(), 40)];
        static constexpr std::string_view bytes = "ab\x01.-0\xff";
        std::string name;
        for (std::size_t length = 1 + random() % 6; length > 0; --length) {
            name += bytes[random() % bytes.size()];
        }
        name += std::to_string(random() % 100);
        const bool is_folder = random() % 12 == 0;
        Entry entry = make(above.empty() ? name : above + "/" + name,
                           is_folder ? EntryKind::directory : EntryKind::file);
        entry.mode = static_cast<std::uint32_t>(random() % 07777);
        entry.size = is_folder ? 0 : random() % 10'000;
        const std::string path = entry.path;
        if (tree.emplace(path, std::move(entry)).second && is_folder) {
            folders.push_back(path);
        }
    }
    return tree;
}

Subtree write(SampleBlobs& blobs, const Tree& tree)
{
    TreeWriter writer(blobs.keys(), blobs.lane());
    for (const auto& [path, entry] : tree) {
        writer.add(entry);
    }
    const Subtree root = writer.finish();
    blobs.publish();
    return root;
}

/// Without what only the tree adds.
Entry plain(Entry entry)
{
    entry.subtree.reset();
    return entry;
}

std::vector<Entry> walk(SnapshotView& view, const std::string& path, Depth depth)
{
    std::vector<Entry> entries;
    const auto cursor = view.walk(path, depth);
    while (auto entry = cursor->next()) {
        entries.push_back(plain(std::move(*entry)));
    }
    return entries;
}

std::vector<Entry> expected_walk(const Tree& tree, const std::string& path, Depth depth)
{
    const std::string prefix = path.empty() ? "" : path + "/";
    std::vector<Entry> entries;
    for (const auto& [name, entry] : tree) {
        const bool inside = name.starts_with(prefix) && name.size() > prefix.size();
        if (inside &&
            (depth == Depth::all_levels || name.find('/', prefix.size()) == std::string::npos)) {
            entries.push_back(entry);
        }
    }
    return entries;
}

BlobId put_page(SampleBlobs& blobs, const TreePage& page)
{
    const BlobId id = blobs.lane().put(BlobKind::tree_node, encode_tree_page(page)).id;
    blobs.publish();
    return id;
}

/// A leaf of files without anything.
BlobId put_leaf(SampleBlobs& blobs, const std::vector<std::string>& names)
{
    TreePage page;
    for (const std::string& name : names) {
        page.entries.push_back(make(name));
    }
    return put_page(blobs, page);
}

/// What a walk gives: paths, and the folders named by damage, in "!".
std::vector<std::string> walk_damaged(SnapshotView& view, const std::string& path = "")
{
    std::vector<std::string> given;
    const auto cursor = view.walk(path, Depth::all_levels);
    while (given.size() < 10'000) {
        try {
            const auto entry = cursor->next();
            if (!entry) {
                break;
            }
            given.push_back(entry->path);
        } catch (const Error& error) {
            REQUIRE(error.code() == ErrorCode::damaged);
            given.push_back("!" + error.subject());
        }
    }
    return given;
}

using Texts = std::vector<std::string>;
const BlobId missing{{7, 7, 7}};

} // namespace

TEST_CASE("look-ups and walks find exactly what a random tree holds")
{
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        CAPTURE(seed);
        SampleBlobs blobs;
        const Tree tree = random_tree(seed, seed == 1 ? 20 : 5'000);
        const Subtree root = write(blobs, tree);
        CHECK(root.entries == tree.size());
        RepositoryView view(blobs.reader(), root);
        for (const auto& [path, entry] : tree) {
            const auto found = view.lookup(path);
            REQUIRE(found);
            REQUIRE(plain(*found) == entry);
            for (const char* end : {"x", "/x", "\x01"}) {
                const std::string other = path + end;
                REQUIRE(view.lookup(other).has_value() == (tree.count(other) != 0));
            }
        }
        CHECK(walk(view, "", Depth::all_levels) == expected_walk(tree, "", Depth::all_levels));
        CHECK(walk(view, "", Depth::one_level) == expected_walk(tree, "", Depth::one_level));
        for (const auto& [path, entry] : tree) {
            if (entry.kind == EntryKind::directory && path.size() % 3 == 0) {
                for (const Depth depth : {Depth::all_levels, Depth::one_level}) {
                    REQUIRE(walk(view, path, depth) == expected_walk(tree, path, depth));
                }
            }
        }
    }
}

TEST_CASE("a walk leaves out the children of a folder when it is told to")
{
    SampleBlobs blobs;
    const Tree tree = random_tree(9, 2'000);
    RepositoryView view(blobs.reader(), write(blobs, tree));
    const auto cursor = view.walk("", Depth::all_levels);
    cursor->skip_children(); // before the first entry there is nothing to skip
    std::string skipped = "/";
    std::size_t given = 0;
    while (const auto entry = cursor->next()) {
        REQUIRE(!entry->path.starts_with(skipped));
        if (entry->kind == EntryKind::directory && entry->path.size() % 2 == 0) {
            cursor->skip_children();
            skipped = entry->path + "/";
        }
        ++given;
    }
    CHECK(given > 100);
    CHECK(given < tree.size());
}

TEST_CASE("the root of a view is a folder, the folder or the file that it was made for")
{
    SampleBlobs blobs;
    Tree tree = random_tree(10, 300);
    tree["f"] = make("f", EntryKind::directory);
    tree["f"].mode = 0711;
    tree["f/g"] = make("f/g", EntryKind::directory);
    tree["f/g/h"] = make("f/g/h");
    RepositoryView view(blobs.reader(), write(blobs, tree), "{\"a\":1}");
    CHECK(view.source_record() == "{\"a\":1}");
    REQUIRE(view.lookup(""));
    CHECK(view.lookup("")->kind == EntryKind::directory);
    CHECK(view.lookup("")->subtree == view.root());

    const auto folder = view.at("f", "{}");
    CHECK(folder->source_record() == "{}");
    CHECK(folder->lookup("")->mode == 0711);
    CHECK(folder->lookup("")->path.empty());
    CHECK(folder->lookup("g/h")->path == "g/h");
    CHECK(walk_damaged(*folder) == Texts{"g", "g/h"});
    CHECK(walk_damaged(*folder, "g") == Texts{"g/h"});

    const auto file = folder->at("g/h");
    CHECK(file->lookup("")->kind == EntryKind::file);
    CHECK(!file->lookup("x"));
    CHECK(file->open_stream(*file->lookup(""))->size() == 0);
    CHECK_THROWS_AS(file->walk("", Depth::all_levels), Error);
    CHECK_THROWS_AS(view.walk("f/g/h", Depth::all_levels), Error);
    CHECK_THROWS_AS(view.walk("f/none", Depth::all_levels), Error);
    CHECK_THROWS_AS(view.at("f/none"), Error);
    CHECK_THROWS_AS(view.open_stream(*view.lookup("f")), Error);
}

TEST_CASE("a million names in one folder are walked and found")
{
    SampleBlobs blobs;
    TreeWriter writer(blobs.keys(), blobs.lane());
    const auto name = [](int number) {
        std::string digits = std::to_string(number);
        return "name" + std::string(7 - digits.size(), '0') + digits;
    };
    writer.add(make("big", EntryKind::directory));
    for (int i = 0; i < 1'000'000; ++i) {
        writer.add(make("big/" + name(i)));
    }
    const Subtree root = writer.finish();
    blobs.publish();
    CHECK(root.entries == 1'000'001);
    RepositoryView view(blobs.reader(), root);
    const auto cursor = view.walk("big", Depth::all_levels);
    int at = 0;
    int wrong = 0; // a million assertions would take longer than the walk
    while (const auto entry = cursor->next()) {
        wrong += entry->path == "big/" + name(at) ? 0 : 1;
        ++at;
    }
    CHECK(wrong == 0);
    CHECK(at == 1'000'000);
    for (int i = 0; i < 1'000'000; i += 9'973) {
        REQUIRE(view.lookup("big/" + name(i)));
        REQUIRE(!view.lookup("big/" + name(i) + "x"));
    }
}

TEST_CASE("folders in folders, 3000 levels deep, are walked and found")
{
    SampleBlobs blobs;
    TreeWriter writer(blobs.keys(), blobs.lane());
    std::string path = "d";
    Texts paths;
    for (int level = 0; level < 3'000; ++level) {
        paths.push_back(path);
        writer.add(make(path, EntryKind::directory));
        path += "/d";
    }
    // On the way back there is something in every hundredth folder.
    for (int level = 2'999; level > 0; level -= 100) {
        paths.push_back(paths[static_cast<std::size_t>(level)] + "/e");
        writer.add(make(paths.back()));
    }
    const Subtree root = writer.finish();
    blobs.publish();
    RepositoryView view(blobs.reader(), root);
    CHECK(walk_damaged(view) == paths);
    for (std::size_t i = 0; i < paths.size(); i += 7) {
        REQUIRE(view.lookup(paths[i]));
    }
    CHECK(!view.lookup(path + "/d/d/d"));
}

TEST_CASE("a folder that cannot be read is named, and the walk goes on behind it")
{
    SampleBlobs blobs;
    TreePage inside;
    inside.entries = {make("lost", EntryKind::directory), make("odd", EntryKind::directory),
                      make("z")};
    inside.entries[0].subtree = Subtree{missing, 3, 4};
    TreePage top;
    top.entries = {make("a"), make("f", EntryKind::directory), make("y")};
    top.entries[1].subtree = Subtree{put_page(blobs, inside), 6, 4};
    RepositoryView view(blobs.reader(), Subtree{put_page(blobs, top), 9, 4});
    CHECK(walk_damaged(view) == Texts{"a", "f", "f/lost", "!f/lost", "!f", "f/z", "y"});
    CHECK(view.lookup("f/z"));
    CHECK(view.lookup("f/lost"));
    try {
        view.lookup("f/lost/x");
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::damaged);
        CHECK(error.subject() == "f/lost");
    }
    CHECK(walk_damaged(*view.at("f")) == Texts{"lost", "!lost", "!", "z"});
    CHECK(walk_damaged(view, "f/lost") == Texts{"!f/lost"}); // remembered, and told again

    RepositoryView rootless(blobs.reader(), Subtree{missing, 1, 1});
    CHECK(walk_damaged(rootless) == Texts{"!"});
}

TEST_CASE("one page of a large folder that cannot be read costs only what is in it")
{
    SampleBlobs blobs;
    const auto root_of = [&blobs](const TreePage& page) {
        TreePage top;
        top.entries = {make("f", EntryKind::directory), make("g")};
        std::uint64_t entries = 0;
        for (const PageRef& ref : page.pages) {
            entries += ref.entries;
        }
        top.entries[0].subtree = Subtree{put_page(blobs, page), entries, 0};
        return Subtree{put_page(blobs, top), entries + 2, 0};
    };
    const BlobId ab = put_leaf(blobs, {"a", "b"});
    const BlobId cd = put_leaf(blobs, {"c", "d"});
    const BlobId ef = put_leaf(blobs, {"e", "f"});
    TreePage page;
    page.level = 1;
    page.pages = {{"a", ab, 2, 0}, {"c", cd, 2, 0}, {"e", ef, 2, 0}};
    Texts expected{"f", "f/a", "f/b", "f/c", "f/d", "f/e", "f/f", "g"};

    SUBCASE("nothing is damaged") {}
    SUBCASE("it is missing")
    {
        page.pages[1].page = missing;
        expected = {"f", "f/a", "f/b", "!f", "f/e", "f/f", "g"};
    }
    SUBCASE("it begins with another name")
    {
        page.pages[1].first_name = "bb";
        expected = {"f", "f/a", "f/b", "!f", "f/e", "f/f", "g"};
    }
    SUBCASE("it has other totals")
    {
        page.pages[0].entries = 1'000'000'000'000;
        expected = {"f", "!f", "f/c", "f/d", "f/e", "f/f", "g"};
    }
    SUBCASE("names come again")
    {
        page.pages[0].page = put_leaf(blobs, {"a", "c"});
        expected = {"f", "f/a", "f/c", "!f", "f/e", "f/f", "g"};
    }
    SUBCASE("its level does not fall")
    {
        page.level = 2;
        expected = {"f", "!f", "!f", "!f", "g"};
    }
    SUBCASE("an inner page lies where a leaf must")
    {
        TreePage inner = page;
        inner.pages = {{"c", cd, 2, 0}};
        page.pages[1].page = put_page(blobs, inner);
        expected = {"f", "f/a", "f/b", "!f", "f/e", "f/f", "g"};
    }
    SUBCASE("it is empty")
    {
        page.pages[1] = {"c", put_leaf(blobs, {}), 0, 0};
        expected = {"f", "f/a", "f/b", "!f", "f/e", "f/f", "g"};
    }
    RepositoryView view(blobs.reader(), root_of(page));
    CHECK(walk_damaged(view) == expected);
    // Look-ups see the same pages.
    for (const char* name : {"f/a", "f/c", "f/e"}) {
        const bool there = std::find(expected.begin(), expected.end(), name) != expected.end();
        if (there) {
            CHECK(view.lookup(name));
        }
    }
}

TEST_CASE("totals of a folder that its page does not have are damage")
{
    SampleBlobs blobs;
    const BlobId leaf = put_leaf(blobs, {"a"});
    CHECK(walk_damaged(*std::make_unique<RepositoryView>(blobs.reader(), Subtree{leaf, 1, 0})) ==
          Texts{"a"});
    RepositoryView entries(blobs.reader(), Subtree{leaf, 2, 0});
    CHECK(walk_damaged(entries) == Texts{"!"});
    RepositoryView bytes(blobs.reader(), Subtree{leaf, 1, 1ULL << 60});
    CHECK_THROWS_AS(bytes.lookup("a"), Error);
}

TEST_CASE("several threads may look up and walk at once")
{
    SampleBlobs blobs;
    const Tree tree = random_tree(12, 3'000);
    RepositoryView view(blobs.reader(), write(blobs, tree));
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&, thread] {
            int number = 0;
            for (const auto& [path, entry] : tree) {
                if (number++ % 3 == thread || number % 5 == 0) {
                    const auto found = view.lookup(path);
                    wrong += found && plain(*found) == entry ? 0 : 1;
                }
            }
            wrong += walk(view, "", Depth::all_levels).size() == tree.size() ? 0 : 1;
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
}

namespace
{

/// A stream of chunks and holes, and its bytes.
struct Sample {
    std::string bytes;
    std::vector<bool> data; ///< for each byte
    Content content;
};

Sample make_sample(SampleBlobs& blobs, std::uint64_t seed, int pieces)
{
    std::mt19937_64 random(seed);
    Sample sample;
    ContentWriter writer(blobs.lane());
    for (int i = 0; i < pieces; ++i) {
        const std::size_t length = 1 + random() % 900;
        const bool hole = random() % 4 == 0;
        std::string piece(length, '\0');
        for (char& byte : piece) {
            byte = hole ? '\0' : static_cast<char>(random());
        }
        writer.add(
            {length, hole ? BlobId{} : blobs.lane().put(BlobKind::data, as_bytes(piece)).id});
        sample.bytes += piece;
        sample.data.insert(sample.data.end(), length, !hole);
    }
    sample.content = writer.finish();
    blobs.publish();
    return sample;
}

Entry entry_of(const Sample& sample)
{
    Entry entry = make("stream");
    entry.size = sample.bytes.size();
    entry.content = sample.content;
    return entry;
}

std::string read(SnapshotStream& stream, std::uint64_t offset, std::size_t size)
{
    Bytes buffer(size, 0xee);
    buffer.resize(stream.read_at(offset, buffer, {}));
    return std::string(as_text(buffer));
}

} // namespace

TEST_CASE("a stream gives its bytes at any offset, in order or not")
{
    SampleBlobs blobs;
    RepositoryView view(blobs.reader(), write(blobs, {}));
    for (const int pieces : {0, 1, 100, 3'000}) {
        CAPTURE(pieces);
        const Sample sample = make_sample(blobs, static_cast<std::uint64_t>(pieces) + 1, pieces);
        const auto stream = view.open_stream(entry_of(sample));
        REQUIRE(stream->size() == sample.bytes.size());
        std::string in_order;
        for (std::string part = read(*stream, 0, 5'000); !part.empty();
             part = read(*stream, in_order.size(), 5'000)) {
            in_order += part;
        }
        CHECK(in_order == sample.bytes);
        CHECK(read(*stream, 0, sample.bytes.size() + 10) == sample.bytes);
        CHECK(read(*stream, sample.bytes.size(), 1).empty());
        CHECK(read(*stream, UINT64_MAX, 1).empty());
        std::mt19937_64 random(5);
        for (int round = 0; round < 200 && !sample.bytes.empty(); ++round) {
            const std::size_t offset = random() % sample.bytes.size();
            const std::size_t size = random() % 4'000;
            REQUIRE(read(*stream, offset, size) == sample.bytes.substr(offset, size));
        }
    }
}

TEST_CASE("stretches of data are told apart from holes, wherever list pages end")
{
    SampleBlobs blobs;
    RepositoryView view(blobs.reader(), write(blobs, {}));
    for (const int pieces : {0, 1, 20, 3'000}) {
        const Sample sample = make_sample(blobs, static_cast<std::uint64_t>(pieces) + 50, pieces);
        const auto stream = view.open_stream(entry_of(sample));
        std::vector<bool> data(sample.data.size(), false);
        std::uint64_t at = 0;
        while (const auto extent = stream->next_data(at)) {
            REQUIRE(extent->begin >= at);
            REQUIRE(extent->end > extent->begin);
            std::fill(data.begin() + static_cast<std::ptrdiff_t>(extent->begin),
                      data.begin() + static_cast<std::ptrdiff_t>(extent->end), true);
            at = extent->end;
        }
        CHECK(data == sample.data);
        CHECK(!stream->next_data(sample.bytes.size()));
    }
}

TEST_CASE("chunks and holes follow each other, and know their own bytes from others")
{
    SampleBlobs blobs;
    RepositoryView view(blobs.reader(), write(blobs, {}));
    for (const int pieces : {1, 20, 3'000}) {
        const Sample sample = make_sample(blobs, static_cast<std::uint64_t>(pieces) + 50, pieces);
        const auto stream = view.open_stream(entry_of(sample));
        for (std::uint64_t at = 0; at < sample.bytes.size();) {
            const SnapshotStream::Chunk chunk = stream->chunk_at(at, {});
            REQUIRE(chunk.begin == at);
            REQUIRE(chunk.end > at);
            REQUIRE(chunk.is_hole != sample.data[static_cast<std::size_t>(at)]);
            REQUIRE(stream->chunk_at(chunk.end - 1, {}).begin == at);
            Bytes bytes(sample.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                        sample.bytes.begin() + static_cast<std::ptrdiff_t>(chunk.end));
            REQUIRE(stream->chunk_equals(at, bytes, {}));
            bytes.back() ^= 1;
            REQUIRE_FALSE(stream->chunk_equals(at, bytes, {}));
            bytes.back() ^= 1;
            bytes.pop_back();
            REQUIRE(stream->chunk_equals(at, bytes, {}) == chunk.is_hole);
            at = chunk.end;
        }
    }
}

TEST_CASE("a stream whose data is missing throws where it is, and not elsewhere")
{
    SampleBlobs blobs;
    RepositoryView view(blobs.reader(), write(blobs, {}));
    const std::string text = "some text";
    Entry entry = make("stream");
    const BlobId good = blobs.lane().put(BlobKind::data, as_bytes(text)).id;
    blobs.publish();
    entry.content.items = {{9, good}, {9, missing}, {9, good}};
    const auto stream = view.open_stream(entry);
    CHECK(read(*stream, 0, 9) == text);
    CHECK(read(*stream, 18, 9) == text);
    CHECK_THROWS_AS(read(*stream, 10, 3), Error);
    entry.content = {1, {{9, missing}}};
    CHECK_THROWS_AS(read(*view.open_stream(entry), 0, 1), Error);
    entry.content = {9, {{9, good}}};
    CHECK_THROWS_AS(view.open_stream(entry), Error);
}
