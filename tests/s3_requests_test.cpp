#include "store/retrying_store.hpp"
#include "store/s3_store.hpp"
#include "support/fake_environment.hpp"
#include "support/fake_s3.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <mutex>

using namespace backstay::core;

namespace
{

/// A repository that is known here: one backup, its cache warm.
struct Rig {
    Rig()
    {
        S3Options options;
        options.credentials = AwsCredentials("key", "secret");
        options.environment = FakeEnvironment().get();
        store =
            std::make_shared<RetryingStore>(std::make_shared<S3Store>(server.uri(), options),
                                            RetryPolicy{}, RetryingStore::Limits{}, real_waiting());
        init_sample(store, open);
        back_up(*open_sample(store, open), monday());
        list_snapshots(*open_sample(store, open), {});
        server.fault = [this](const FakeRequest& request, FakeConnection&) {
            const std::lock_guard lock(mutex);
            const bool lists = request.target.find("list-type=2") != std::string::npos;
            ++(lists                      ? counted.lists
               : request.method == "GET"  ? counted.gets
               : request.method == "HEAD" ? counted.heads
                                          : counted.others);
            return false;
        };
    }

    struct Counted {
        int lists = 0;
        int gets = 0;
        int heads = 0;
        int others = 0;
        int all() const { return lists + gets + heads + others; }
    };
    Counted count(const std::function<void()>& body)
    {
        counted = {};
        body();
        return counted;
    }

    FakeS3 server;
    TempDir cache;
    OpenOptions open{cache / "cache", nullptr, standard_cache_limit, true};
    std::shared_ptr<ObjectStore> store;
    std::mutex mutex; // guards counted
    Counted counted;
};

} // namespace

TEST_CASE("opening a repository that is known costs a list and three gets, its snapshots another "
          "list")
{
    Rig rig;
    SUBCASE("at once")
    {
        const auto counted =
            rig.count([&] { list_snapshots_seen(*open_sample(rig.store, rig.open), {}); });
        CHECK(counted.lists == 2);
        CHECK(counted.gets == 3);
        CHECK(counted.others == 0);
    }
    SUBCASE("one after the other")
    {
        rig.open.look_ahead = false;
        std::shared_ptr<Repository> repository;
        const auto opening = rig.count([&] { repository = open_sample(rig.store, rig.open); });
        CHECK(opening.lists == 1);
        CHECK(opening.gets == 3);
        const auto listing = rig.count([&] { list_snapshots_seen(*repository, {}); });
        CHECK(listing.lists == 2);
        CHECK(listing.all() == 2);
    }
}

TEST_CASE("what was listed while a repository was opened is used once, and not where now matters")
{
    Rig rig;
    const auto repository = open_sample(rig.store, rig.open);
    back_up(*open_sample(rig.store, rig.open), tuesday());
    CHECK(list_snapshots(*repository, {}).snapshots.size() == 2);
    CHECK(list_snapshots_seen(*repository, {}).snapshots.size() == 1);
    CHECK(list_snapshots_seen(*repository, {}).snapshots.size() == 2);
}

TEST_CASE("a backup that finds nothing new costs no more than a dozen requests")
{
    Rig rig;
    const auto counted = rig.count([&] { back_up(*open_sample(rig.store, rig.open), monday()); });
    CHECK(counted.all() <= 20);
    CHECK(counted.lists <= 6);
}

TEST_CASE("a backup costs a request for each pack, and hardly any besides")
{
    Rig rig;
    Files files;
    for (std::uint32_t i = 0; i < 12; ++i) {
        files["file-" + std::to_string(i)] = seeded_bytes(100 + i, 4 * MiB);
    }
    const auto packs = [&] { return keys_of(*rig.store, "packs/").size(); };
    const std::size_t before = packs();
    const auto counted = rig.count([&] { back_up(*open_sample(rig.store, rig.open), files); });
    const std::size_t stored = packs() - before;
    CHECK(stored >= 3);
    CHECK(counted.all() <= static_cast<int>(1.05 * static_cast<double>(stored)) + 20);
    CHECK(counted.heads == 0); // it knows what it has stored
}
