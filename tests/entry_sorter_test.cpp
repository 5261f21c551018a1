#include "repo/entry_sorter.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/encoding.hpp"
#include "repo/entry_arena.hpp"

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
using Sorted = std::map<std::string, Entry, PathLess>;

/// Names from a few bytes that sort around '/', so that many paths begin alike.
std::string random_path(std::mt19937_64& random)
{
    static constexpr std::string_view bytes = "a\x01.-0\xff";
    std::string path = random() % 2 == 0 ? "files/usr/share/documentation" : "files";
    const std::size_t names = 1 + random() % 5;
    for (std::size_t i = 0; i < names; ++i) {
        path += "/n";
        for (std::size_t length = random() % 9; length > 0; --length) {
            path += bytes[random() % bytes.size()];
        }
    }
    return path;
}

Entry random_entry(std::mt19937_64& random)
{
    Entry entry;
    entry.path = random_path(random);
    entry.size = random();
    entry.mode = static_cast<std::uint32_t>(random() % 07777);
    entry.modified = Timestamp{static_cast<std::int64_t>(random() % 4'000'000'000), 5};
    entry.change_token = Bytes(random() % 40, 3);
    if (random() % 3 == 0) {
        entry.content.items = {{1 + random() % 1000, BlobId{{1, 2, 3}}}, {7, BlobId{}}};
    }
    if (random() % 20 == 0) {
        entry.xattrs = {{"user.large", Bytes(random() % 3000, 9)}};
    }
    return entry;
}

struct Drained {
    std::vector<Entry> entries;
    std::vector<std::string> twice;
};

Drained drain(EntrySorter& sorter)
{
    Drained drained;
    sorter.drain(
        [&](ByteSpan encoded) {
            Decoder from(encoded, "entry");
            drained.entries.push_back(decode_entry(from));
        },
        [&](const std::string& path) { drained.twice.push_back(path); });
    return drained;
}

} // namespace

TEST_CASE("entries come out whole and sorted, of several with one path the last, whatever the "
          "memory")
{
    for (const std::size_t memory : {0UL, 10'000UL, 300'000UL, 100'000'000UL}) {
        CAPTURE(memory);
        std::mt19937_64 random(memory + 1);
        EntrySorter sorter(memory, temporary_folder());
        Sorted expected;
        std::map<std::string, int, PathLess> times;
        const int count = memory == 0 ? 300 : 8'000;
        for (int i = 0; i < count; ++i) {
            const Entry entry = random_entry(random);
            sorter.add(entry);
            expected.insert_or_assign(entry.path, entry);
            ++times[entry.path];
        }
        CHECK(sorter.entries() == static_cast<std::uint64_t>(count));
        const Drained drained = drain(sorter);
        REQUIRE(drained.entries.size() == expected.size());
        auto at = drained.entries.begin();
        for (const auto& [path, entry] : expected) {
            REQUIRE(*at++ == entry);
        }
        std::vector<std::string> twice;
        for (const auto& [path, number] : times) {
            if (number > 1) {
                twice.push_back(path);
            }
        }
        CHECK(!twice.empty());
        CHECK(drained.twice == twice);
    }
}

TEST_CASE("many entries with one path and paths of a megabyte are sorted, too")
{
    EntrySorter sorter(64 * MiB, temporary_folder());
    std::string deep = "d";
    while (deep.size() < max_path_size - 4) {
        deep += "/d";
    }
    Entry entry;
    for (std::uint64_t i = 1; i <= 1000; ++i) {
        entry.path = "same";
        entry.size = i;
        sorter.add(entry);
    }
    for (const char* end : {"x", "", "/x"}) {
        entry.path = deep + end;
        sorter.add(entry);
    }
    const Drained drained = drain(sorter);
    REQUIRE(drained.entries.size() == 4);
    CHECK(drained.entries[0].path == deep);
    CHECK(drained.entries[1].path == deep + "/x");
    CHECK(drained.entries[2].path == deep + "x");
    CHECK(drained.entries[3].size == 1000);
    CHECK(drained.twice == std::vector<std::string>{"same"});
}

TEST_CASE("several threads may add entries at once")
{
    EntrySorter sorter(200'000, temporary_folder());
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&sorter, thread] {
            Entry entry;
            for (int i = 0; i < 2000; ++i) {
                entry.path = "f/" + std::to_string(i) + "/" + std::to_string(thread);
                sorter.add(entry);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const Drained drained = drain(sorter);
    REQUIRE(drained.entries.size() == 6000);
    for (std::size_t i = 1; i < drained.entries.size(); ++i) {
        REQUIRE(path_less(drained.entries[i - 1].path, drained.entries[i].path));
    }
    CHECK(drained.twice.empty());
}

TEST_CASE("a path that cannot stand in a tree is refused before it is sorted")
{
    EntrySorter sorter(1 * MiB, temporary_folder());
    Entry entry;
    for (const std::string& path : {std::string(), std::string("/a"), std::string("a//b"),
                                    std::string("a/../b"), std::string("a\0b", 3)}) {
        entry.path = path;
        CHECK_THROWS_AS(sorter.add(entry), Error);
    }
    CHECK(drain(sorter).entries.empty());
}

TEST_CASE("an encoded entry begins with its path")
{
    Entry entry;
    entry.path = std::string(300, 'n') + "/x";
    entry.size = 7;
    Bytes encoded;
    Encoder encoder(encoded);
    encode_entry(encoder, entry);
    CHECK(encoded_entry_path(encoded) == entry.path);
}

TEST_CASE("a temporary folder that is not there is an error that names it")
{
    EntrySorter sorter(0, "/nonexistent/folder");
    Entry entry;
    entry.path = "a";
    try {
        for (int i = 0; i < 1000; ++i) {
            sorter.add(entry);
        }
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(std::string(error.what() + error.subject()).find("/nonexistent") !=
              std::string::npos);
    }
}
