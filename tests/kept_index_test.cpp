#include "repo/kept_index.hpp"

#include "repo/blob_index.hpp"
#include "repo/object_keys.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_repository.hpp"
#include "support/temp_dir.hpp"

#include <algorithm>
#include <atomic>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

using namespace backstay::core;

namespace
{

/// A repository with a cache whose opened index survives it, and a count of segments got.
struct Cached {
    TempDir dir;
    std::shared_ptr<HookedStore> store =
        std::make_shared<HookedStore>(std::make_shared<MemoryStore>());
    std::atomic<int> segments_got{0};
    std::shared_ptr<Repository> repository;
    std::vector<BlobId> ids;
    std::vector<SegmentId> segments;
    std::vector<PackId> packs;
    std::mt19937_64 random{5};

    Cached()
    {
        store->before = [this](HookedStore::Operation operation, const std::string& key) {
            segments_got += operation == HookedStore::Operation::get && key.starts_with("index/");
        };
        init_sample(store, {dir / "cache"});
        reopen();
        add_segment(300);
        add_segment(100);
    }

    void reopen() { repository = open_sample(store, {dir / "cache"}); }

    template <typename IdType>
    IdType random_id()
    {
        IdType id;
        for (std::uint8_t& byte : id.bytes) {
            byte = static_cast<std::uint8_t>(random());
        }
        return id;
    }

    void add_segment(std::uint32_t blobs)
    {
        SegmentPack pack;
        pack.id = random_id<PackId>();
        pack.size = 1000;
        SegmentFrame frame;
        frame.offset = 8;
        frame.stored_size = 100;
        frame.plain_size = blobs;
        frame.blobs = blobs;
        pack.frames.push_back(frame);
        std::vector<SegmentEntry> entries;
        for (std::uint32_t i = 0; i < blobs; ++i) {
            entries.push_back({random_id<BlobId>(), 0, 0, i, 1, BlobKind::data});
            ids.push_back(entries.back().id);
        }
        const KeyRecord record = repository->keys().new_sealing_key(KeyClass::data)->record();
        packs.push_back(pack.id);
        segments.push_back(write_segment(*repository, random_id<SessionId>(), {record}, {pack},
                                         std::move(entries), std::nullopt, {})
                               .id);
    }

    std::unique_ptr<BlobIndex> load(const Condemned& condemned = {})
    {
        return BlobIndex::load(*repository, condemned, Freshness::fresh, {});
    }

    std::string path() const { return repository->cache_folder() + "/objects/sorted-index"; }

    void forget_cached_segments() const
    {
        for (const auto& file :
             std::filesystem::directory_iterator(repository->cache_folder() + "/objects")) {
            if (file.path().filename().string().starts_with("index+")) {
                std::filesystem::remove(file.path());
            }
        }
    }
};

bool has_all(const BlobIndex& index, const std::vector<BlobId>& ids)
{
    return std::all_of(ids.begin(), ids.end(), [&index](const BlobId& id) {
        const std::vector<BlobPlace> places = index.find(id);
        return index.contains(id) && places.size() == 1 && places.front().length == 1;
    });
}

std::string content_of(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const std::string& path, const std::string& content)
{
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

} // namespace

TEST_CASE("opening a known repository again reads no segment")
{
    Cached cached;
    CHECK(has_all(*cached.load(), cached.ids));
    cached.forget_cached_segments();
    cached.reopen();
    cached.segments_got = 0;
    const auto index = cached.load();
    CHECK(cached.segments_got == 0);
    CHECK(index->size() == cached.ids.size());
    CHECK(has_all(*index, cached.ids));
    CHECK(index->segments().size() == 2);
    CHECK(index->segment_writers().size() == 2);
}

TEST_CASE("a kept index takes up new segments, and only those are read")
{
    Cached cached;
    cached.load();
    cached.add_segment(200);
    cached.forget_cached_segments();
    for (const int got : {1, 0}) {
        cached.segments_got = 0;
        const auto index = cached.load();
        CHECK(cached.segments_got == got);
        CHECK(has_all(*index, cached.ids));
        std::vector<BlobId> order;
        index->for_each([&order](std::uint64_t ordinal, const BlobId& id, const BlobPlace&) {
            REQUIRE(ordinal == order.size());
            order.push_back(id);
        });
        CHECK(std::is_sorted(order.begin(), order.end()));
        CHECK(order.size() == cached.ids.size());
    }
}

TEST_CASE("a kept index that stands for a segment which has gone is not believed")
{
    Cached cached;
    cached.load();
    cached.store->remove(segment_key(cached.segments.front()), {});
    const auto index = cached.load();
    CHECK_FALSE(index->contains(cached.ids.front()));
    CHECK(index->contains(cached.ids.back()));
    CHECK(index->segments().size() == 1);
    CHECK_FALSE(cached.load()->contains(cached.ids.front()));
}

TEST_CASE("packs that are condemned later do not count from a kept index either")
{
    Cached cached;
    cached.load();
    Condemned condemned;
    condemned.packs.insert(cached.packs.front());
    const auto index = cached.load(condemned);
    CHECK_FALSE(index->contains(cached.ids.front()));
    CHECK(index->find(cached.ids.front()).size() == 1);
    CHECK(index->contains(cached.ids.back()));
    CHECK(cached.load()->contains(cached.ids.front()));
}

TEST_CASE("whatever happens to a kept index costs time and nothing else")
{
    Cached cached;
    cached.load();
    const std::string whole = content_of(cached.path());
    REQUIRE(whole.size() > 4096);
    std::vector<std::string> damaged{"", whole + "x", std::string(whole.size(), '\0')};
    for (std::size_t at = 0; at < whole.size(); at += at < 200 ? 1 : 61) {
        damaged.push_back(whole);
        damaged.back()[at] = static_cast<char>(damaged.back()[at] ^ 0x10);
    }
    for (std::size_t size = 1; size < whole.size(); size += 499) {
        damaged.push_back(whole.substr(0, size));
    }
    for (std::size_t block = 4096; block + 8192 < whole.size(); block += 4096) {
        damaged.push_back(whole);
        std::swap_ranges(damaged.back().begin() + static_cast<std::ptrdiff_t>(block),
                         damaged.back().begin() + static_cast<std::ptrdiff_t>(block + 4096),
                         damaged.back().begin() + static_cast<std::ptrdiff_t>(block + 4096));
    }
    for (std::size_t i = 0; i < damaged.size(); ++i) {
        CAPTURE(i);
        overwrite(cached.path(), damaged[i]);
        const auto index = cached.load();
        REQUIRE(index->size() == cached.ids.size());
        REQUIRE(has_all(*index, cached.ids));
    }
    // With segments to take up besides.
    overwrite(cached.path(), damaged[damaged.size() / 2]);
    cached.add_segment(50);
    CHECK(has_all(*cached.load(), cached.ids));
    CHECK(has_all(*cached.load(), cached.ids));
}

TEST_CASE("what is kept of the index does not show ids")
{
    Cached cached;
    cached.load();
    const std::string whole = content_of(cached.path());
    for (const BlobId& id : cached.ids) {
        REQUIRE(whole.find(std::string(id.bytes.begin(), id.bytes.begin() + 8)) ==
                std::string::npos);
    }
    CHECK(std::filesystem::status(cached.path()).permissions() ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("another repository's kept index is not believed")
{
    Cached cached;
    cached.load();
    Cached other;
    other.load();
    std::filesystem::copy_file(cached.path(), other.path(),
                               std::filesystem::copy_options::overwrite_existing);
    const auto index = other.load();
    CHECK(has_all(*index, other.ids));
    CHECK(index->size() == other.ids.size());
}

TEST_CASE("several may open a repository while its index grows")
{
    Cached cached;
    const std::vector<BlobId> first = cached.ids;
    std::atomic<bool> all_there{true};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            const auto repository = open_sample(cached.store, {cached.dir / "cache"});
            for (int round = 0; round < 20; ++round) {
                const auto index = BlobIndex::load(*repository, {}, Freshness::fresh, {});
                all_there = all_there && has_all(*index, first);
            }
        });
    }
    for (int i = 0; i < 10; ++i) {
        cached.add_segment(20);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(all_there);
    CHECK(has_all(*cached.load(), cached.ids));
}

TEST_CASE("while the cache is bypassed no kept index is read")
{
    Cached cached;
    cached.load();
    const ObjectCache::Bypass bypass(cached.repository->cache());
    cached.segments_got = 0;
    CHECK(has_all(*cached.load(), cached.ids));
    CHECK(cached.segments_got > 0);
}
