#include "source/postgres/visibility_maps.hpp"

#include "base/error.hpp"
#include "postgres/manifest_writer.hpp"
#include "postgres/page_check.hpp"
#include "support/fake_view.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <sys/stat.h>

using namespace backstay::core;

namespace
{

constexpr const char* map_path = "data/base/5/16384_vm";
constexpr std::uint64_t blocks_a_page = (usual_page_size - 24) * 4;

/// A page of a map that says that all is visible.
Bytes full_page(std::uint32_t block)
{
    Bytes page(usual_page_size, 0xFF);
    std::memset(page.data(), 1, 24);
    seal_page(page, block);
    return page;
}

std::string record_of(const std::string& system_id, int timeline, int damaged_pages)
{
    return R"({"kind":"postgres","method":"physical","server_version":"17.6","version":170006,)"
           R"("system_id":")" +
           system_id + R"(","timeline":)" + std::to_string(timeline) +
           R"(,"wal_segment_size":16777216,"begin":"0/2000028","end":"0/2000100",)"
           R"("wal_end":"0/3000000","tablespaces":[],"damaged_pages":)" +
           std::to_string(damaged_pages) + "}";
}

std::string manifest_of(const Bytes& map)
{
    const SpoolFile file = open_spool_file();
    ManifestWriter writer(file.get(), 77);
    Crc32c sum;
    sum.update(map);
    writer.add({"base/5/16384_vm", map.size(), "2026-11-25 14:03:07 GMT", sum.value()});
    writer.finish({});
    std::rewind(file.get());
    Bytes text(100'000);
    text.resize(read_spool(file.get(), text));
    return std::string(as_text(text));
}

/// The snapshot of a cluster whose only file is a map of five pages, the fourth of them torn.
struct Snapshot {
    FakeView view;
    Bytes map;
    ServerFacts facts;

    Snapshot()
    {
        for (std::uint32_t block = 0; block < 5; ++block) {
            append(map, full_page(block));
        }
        map[3 * usual_page_size + 5000] = 0;
        view.add_file(map_path, as_text(map));
        view.add_file("backup_manifest", manifest_of(map));
        view.set_source_record(record_of("77", 1, 0));
        facts.version = 170009;
        facts.system_id = "77";
        facts.timeline = 1;
    }

    std::string why_not() { return ParentCluster::find(&view, facts, {}).why_not; }
};

VisibilityMaps::Map map_with(IncrementalHead head)
{
    VisibilityMaps::Map map;
    map.entry.path = map_path;
    map.manifest_path = "base/5/INCREMENTAL.16384_vm";
    map.file = *parse_relation_file("base/5/16384_vm");
    for (const std::uint32_t block : head.blocks) {
        map.pages.emplace_back(usual_page_size, static_cast<std::uint8_t>(block));
    }
    map.head = std::move(head);
    return map;
}

/// In files without a name.
std::uint64_t spooled_bytes()
{
    std::uint64_t bytes = 0;
    for (int descriptor = 0; descriptor < 256; ++descriptor) {
        struct stat status {
        };
        if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0) {
            bytes += static_cast<std::uint64_t>(status.st_size);
        }
    }
    return bytes;
}

} // namespace

TEST_CASE("a map says of no block that changed that it is visible, whatever pages of it came")
{
    Snapshot snapshot;
    const auto parent = ParentCluster::find(&snapshot.view, snapshot.facts, {}).parent;
    REQUIRE(parent);
    VisibilityMaps maps(*parent, {{}, true});
    const auto block_on = [](std::uint32_t map_page) {
        return static_cast<std::uint32_t>(map_page * blocks_a_page + 9);
    };
    maps.came(*parse_relation_file("base/5/16384"), {block_on(0), block_on(2), block_on(3)});
    maps.came(*parse_relation_file("base/5/16385"), {block_on(1)}); // of another table
    maps.came_whole(*parse_relation_file("base/5/16384_fsm"));
    maps.hold_back(map_with({5, {2, 6}}));
    const auto ready = maps.next();
    REQUIRE(ready);
    CHECK(ready->map.head.blocks == std::vector<std::uint32_t>{0, 2, 3, 6});
    REQUIRE(ready->map.pages.size() == 4);
    Bytes wanted = full_page(0);
    wanted[24 + 2] = 0xF3; // the second of the third byte's four
    seal_page(wanted, 0);
    CHECK(ready->map.pages[0] == wanted);
    CHECK(ready->map.pages[1] == Bytes(usual_page_size, 2));
    CHECK(ready->map.pages[2] == Bytes(usual_page_size, 0)); // torn: nothing is known
    CHECK(ready->map.pages[3] == Bytes(usual_page_size, 6));
    CHECK_FALSE(maps.next());
}

TEST_CASE("a map of a table that did not change stays as it is")
{
    Snapshot snapshot;
    const auto parent = ParentCluster::find(&snapshot.view, snapshot.facts, {}).parent;
    VisibilityMaps maps(*parent, {{}, true});
    maps.hold_back(map_with({5, {}}));
    const auto ready = maps.next();
    REQUIRE(ready);
    CHECK(ready->map.head.blocks.empty());
    CHECK(ready->map.head.length() == 5);
}

TEST_CASE("maps of many tables are not held back in memory, and each comes out with its pages")
{
    Snapshot snapshot;
    const auto parent = ParentCluster::find(&snapshot.view, snapshot.facts, {}).parent;
    VisibilityMaps maps(*parent, {{}, true});
    const std::uint64_t before = spooled_bytes();
    for (std::uint32_t map = 0; map < 64; ++map) {
        IncrementalHead head{5, {}};
        for (std::uint32_t block = 0; block < 128; ++block) {
            head.blocks.push_back(map + block);
        }
        maps.hold_back(map_with(std::move(head))); // a MiB of pages
    }
    CHECK(spooled_bytes() - before > 63 * MiB);
    for (std::uint32_t map = 64; map-- > 0;) {
        const auto ready = maps.next();
        REQUIRE(ready);
        REQUIRE(ready->map.head.blocks.back() == map + 127);
        CHECK(ready->map.pages.back() ==
              Bytes(usual_page_size, static_cast<std::uint8_t>(map + 127)));
    }
    CHECK_FALSE(maps.next());
    CHECK(spooled_bytes() == before);
    maps.hold_back(map_with({5, {1}})); // of the next archive
    CHECK(maps.next()->map.pages.at(0) == Bytes(usual_page_size, 1));
}

TEST_CASE("a map ends where it ends, however far its table's truncation lies behind")
{
    Snapshot snapshot;
    const auto parent = ParentCluster::find(&snapshot.view, snapshot.facts, {}).parent;
    VisibilityMaps maps(*parent, {{}, true});
    maps.hold_back(map_with({131072, {1, 6}}));
    maps.hold_back(map_with({3, {}}));
    CHECK(maps.next()->map.head.length() == 3);
    CHECK(maps.next()->map.head.length() == 7);
}

TEST_CASE("without checksums a map keeps nothing of the parent's")
{
    Snapshot snapshot;
    const auto parent = ParentCluster::find(&snapshot.view, snapshot.facts, {}).parent;
    VisibilityMaps maps(*parent, {{}, false});
    maps.hold_back(map_with({5, {2}}));
    const auto ready = maps.next();
    REQUIRE(ready);
    CHECK(ready->map.head.blocks == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
    CHECK(ready->map.pages[0] == Bytes(usual_page_size, 0));
    CHECK(ready->map.pages[2] == Bytes(usual_page_size, 2));
}

TEST_CASE("a snapshot that an incremental backup cannot build on is no parent, and why is told")
{
    Snapshot snapshot;
    CHECK(snapshot.why_not().empty());
    const auto with_record = [&](const std::string& record) {
        snapshot.view.set_source_record(record);
        return snapshot.why_not();
    };
    CHECK(with_record(record_of("78", 1, 0)) == "the parent snapshot is of another cluster");
    CHECK(with_record(record_of("77", 2, 0)) ==
          "the parent snapshot is of timeline 2, and the server is on 1");
    CHECK(with_record(record_of("77", 1, 3)) == "the parent snapshot has damaged pages");
    CHECK(with_record("").find("no parent snapshot") != std::string::npos);
    CHECK(with_record(R"({"kind":"postgres","method":"logical"})").find("cannot be used") !=
          std::string::npos);
    snapshot.view.set_source_record(record_of("77", 1, 0));
    snapshot.facts.version = 180000;
    CHECK(snapshot.why_not() == "the parent snapshot is of another cluster");
    CHECK_FALSE(ParentCluster::find(nullptr, snapshot.facts, {}).why_not.empty());
}

TEST_CASE("a parent whose manifest or file is not whole is none")
{
    Snapshot snapshot;
    std::string manifest = manifest_of(snapshot.map);
    manifest[manifest.size() / 2] ^= 1;
    snapshot.view.add_file("backup_manifest", manifest);
    CHECK(snapshot.why_not().find("damaged") != std::string::npos);
    snapshot.view.add_file("backup_manifest", manifest_of(snapshot.map));
    snapshot.view.damage_stream("backup_manifest", 10);
    CHECK_FALSE(snapshot.why_not().empty());

    Snapshot other;
    const auto parent = ParentCluster::find(&other.view, other.facts, {}).parent;
    other.view.add_file(map_path, "short");
    CHECK_THROWS_AS(parent->open(map_path, "base/5/16384_vm"), Error);
    CHECK_THROWS_AS(parent->open("data/base/5/1", "base/5/1"), Error);
}
