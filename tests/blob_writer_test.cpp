#include "repo/blob_writer.hpp"

#include "base/random.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <doctest/doctest.h>
#include <set>

namespace backstay::core
{

namespace
{

/// A store where requests take long, so that several side by side are worth it. Its creates of
/// packs wait until so many are under way at once.
class FarStore : public MemoryStore
{
public:
    explicit FarStore(std::uint32_t connections) : connections_(connections) {}

    StoreDescription describe(const std::stop_token& stop) override
    {
        StoreDescription description = MemoryStore::describe(stop);
        description.max_concurrency = connections_;
        return description;
    }

    using MemoryStore::create;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override
    {
        if (key.starts_with("packs/")) {
            meet();
        }
        MemoryStore::create(key, object, stop);
    }

    bool met()
    {
        const std::lock_guard lock(mutex_);
        return most_ >= connections_;
    }

private:
    void meet()
    {
        std::unique_lock lock(mutex_);
        most_ = std::max(most_, ++under_way_);
        changed_.notify_all();
        changed_.wait_for(lock, std::chrono::seconds(5), [this] { return most_ >= connections_; });
        --under_way_;
    }

    const std::uint32_t connections_;
    std::mutex mutex_; // guards the rest
    std::condition_variable changed_;
    std::uint32_t under_way_ = 0;
    std::uint32_t most_ = 0;
};

/// Remembers what need not be readable at once.
class ColdStore : public MemoryStore
{
public:
    using MemoryStore::create_cold;
    void create_cold(const std::string& key, const AlignedBuffer& object,
                     const std::stop_token& stop) override
    {
        MemoryStore::create(key, object.span(), stop);
        const std::lock_guard lock(mutex_);
        cold_.insert(key);
    }

    std::set<std::string> cold() const
    {
        const std::lock_guard lock(mutex_);
        return cold_;
    }

private:
    mutable std::mutex mutex_; // guards cold_
    std::set<std::string> cold_;
};

/// Stores `count` blobs of `size` random bytes in small packs.
void store_blobs(Repository& repository, std::size_t count, std::size_t size,
                 BlobKind kind = BlobKind::data)
{
    const auto index = BlobIndex::load(repository, Condemned{}, Freshness::fresh, {});
    WorkerGroup group;
    BlobWriterOptions options;
    options.memory = 1 * MiB; // packs of the least size
    BlobWriter writer(repository, random_id<SessionId>(), *index, options, group);
    {
        const auto lane = writer.open_lane();
        for (std::size_t i = 0; i < count; ++i) {
            lane->put(kind, seeded_bytes(i + 1, size));
        }
        lane->flush();
    }
    writer.finish();
    group.join();
}

} // namespace

TEST_CASE("packs are stored side by side where the store says that it is worth it")
{
    const auto store = std::make_shared<FarStore>(3);
    const auto repository = init_sample(store);
    store_blobs(*repository, 10, 1 * MiB);
    CHECK(store->met());
    CHECK(BlobIndex::load(*repository, Condemned{}, Freshness::fresh, {})->size() == 10);
}

TEST_CASE("packs of data may lie where they cannot be read at once, and no others")
{
    const auto store = std::make_shared<ColdStore>();
    const auto repository = init_sample(store);
    store_blobs(*repository, 3, 100'000, BlobKind::tree_node);
    REQUIRE(keys_of(*store, "packs/").size() == 1);
    CHECK(store->cold().empty());
    store_blobs(*repository, 4, 100'000);
    const std::set<std::string> cold = store->cold();
    REQUIRE(cold.size() == 1);
    CHECK(cold.begin()->starts_with("packs/"));
    CHECK(keys_of(*store, "packs/").size() == 2);
}

TEST_CASE(
    "what a session with very many small blobs has to say does not wait in memory for its end")
{
    const auto store = std::make_shared<MemoryStore>();
    const auto repository = init_sample(store);
    constexpr std::size_t count = 150'000;
    store_blobs(*repository, count, 16);
    CHECK(keys_of(*store, "index/").size() > 1);
    CHECK(BlobIndex::load(*repository, Condemned{}, Freshness::fresh, {})->size() == count);
}

} // namespace backstay::core
