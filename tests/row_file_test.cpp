#include "base/error.hpp"
#include "repo/row_file.hpp"
#include "repo/row_sorter.hpp"
#include "support/seeded_bytes.hpp"
#include "support/temp_dir.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>

using namespace backstay::core;

namespace
{

std::vector<IndexRow> random_rows(std::size_t count, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::vector<IndexRow> rows(count);
    for (IndexRow& row : rows) {
        for (std::uint8_t& byte : row.id.bytes) {
            byte = static_cast<std::uint8_t>(random());
        }
        row.place = {static_cast<std::uint32_t>(random()), static_cast<std::uint32_t>(random()),
                     static_cast<std::uint32_t>(random()), static_cast<std::uint32_t>(random()),
                     random() % 2 == 0 ? BlobKind::data : BlobKind::tree_node};
    }
    return rows;
}

RowFile file_of(const std::vector<IndexRow>& sorted, const std::string& folder)
{
    RowFile file(folder);
    file.reserve(sorted.size());
    for (const IndexRow& row : sorted) {
        file.add(row);
    }
    file.finish();
    return file;
}

} // namespace

TEST_CASE("rows that come in ascending stretches come out sorted, each once")
{
    const TempDir folder;
    for (const std::size_t stretches : {1U, 2U, 3U, 7U, 8U, 3000U}) {
        CAPTURE(stretches);
        RowSorter sorter(16 * MiB, folder.path());
        std::vector<IndexRow> expected;
        for (std::size_t i = 0; i < stretches; ++i) {
            std::vector<IndexRow> rows = random_rows(1 + i % 9, i);
            rows.push_back(random_rows(1, 77).front()); // in all of them
            std::sort(rows.begin(), rows.end());
            for (const IndexRow& row : rows) {
                sorter.add(row);
            }
            expected.insert(expected.end(), rows.begin(), rows.end());
        }
        std::sort(expected.begin(), expected.end());
        expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
        std::vector<IndexRow> drained;
        sorter.drain([&drained](const IndexRow& row) { drained.push_back(row); });
        CHECK(drained == expected);
    }
}

TEST_CASE("rows come out sorted, each once, whether they fit into memory or not")
{
    const TempDir folder;
    for (const std::size_t count : {0U, 1U, 1000U, 1024U, 1025U, 20'000U}) {
        CAPTURE(count);
        std::vector<IndexRow> rows = random_rows(count, count);
        RowSorter sorter(1, folder.path()); // the least that it takes
        for (const IndexRow& row : rows) {
            sorter.add(row);
        }
        if (!rows.empty()) {
            sorter.add(rows.front());
        }
        CHECK(sorter.added() == count + (rows.empty() ? 0 : 1));
        std::sort(rows.begin(), rows.end());
        std::vector<IndexRow> drained;
        sorter.drain([&drained](const IndexRow& row) { drained.push_back(row); });
        CHECK(drained == rows);
        CHECK(sorter.added() == 0);
    }
}

TEST_CASE("a file of rows gives each back and knows which ids it has")
{
    const TempDir folder;
    for (const std::size_t count : {0U, 1U, 83U, 84U, 30'000U}) {
        CAPTURE(count);
        std::vector<IndexRow> rows = random_rows(count, count + 7);
        if (count > 2) {
            rows[1].id = rows[0].id; // in two places
        }
        std::sort(rows.begin(), rows.end());
        const RowFile file = file_of(rows, folder.path());
        REQUIRE(file.size() == count);
        for (std::size_t i = 0; i < count; i += 1 + count / 500) {
            const RowFile::Range range = file.find(rows[i].id);
            REQUIRE(range.begin <= i);
            REQUIRE(i < range.end);
            CHECK(file.read(i) == rows[i]);
        }
        std::vector<IndexRow> all;
        file.for_each([&all](std::uint64_t number, const IndexRow& row) {
            REQUIRE(number == all.size());
            all.push_back(row);
        });
        CHECK(all == rows);
        for (const IndexRow& other : random_rows(200, 99)) {
            const RowFile::Range range = file.find(other.id);
            CHECK(range.begin == range.end);
        }
        for (const int byte : {0x00, 0xff}) { // before and behind all others
            BlobId id;
            id.bytes.fill(static_cast<std::uint8_t>(byte));
            const RowFile::Range range = file.find(id);
            CHECK(range.begin == range.end);
        }
    }
}
