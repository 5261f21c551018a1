#include "engine/segment_compaction.hpp"

#include "base/random.hpp"
#include "repo/blob_index.hpp"
#include "repo/session.hpp"
#include "support/faulty_store.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

constexpr int many_days = 40; // each leaves a segment

Files files_of(int day)
{
    return {{"always", seeded_bytes(1, 1000)},
            {"day", seeded_bytes(100 + static_cast<std::uint64_t>(day), 3000)}};
}

std::vector<Files> files_of_all_days()
{
    std::vector<Files> all;
    for (int day = 0; day < many_days; ++day) {
        all.push_back(files_of(day));
    }
    return all;
}

std::map<std::string, Bytes> many_backups()
{
    SampleRepository sample;
    for (int day = 0; day < many_days; ++day) {
        back_up(*sample.repository, files_of(day));
    }
    return contents_of(*sample.store);
}

Record prune(Repository& repository)
{
    JobContext context;
    PruneOptions options;
    options.fence_after = 0;
    EngineLimits limits = small_limits();
    limits.threads = 1;
    return run_prune(repository, options, limits, context);
}

std::size_t segments_in(ObjectStore& store)
{
    return keys_of(store, "index/").size();
}

void check_whole(const std::shared_ptr<ObjectStore>& store)
{
    CHECK(all_contents(*open_sample(store)) == files_of_all_days());
    CHECK(complaints_of_check(*open_sample(store)) == std::vector<std::string>{});
}

/// How many operations a sweep passes over, but for the long tests.
std::uint64_t stride(std::uint64_t usual)
{
    return std::getenv("BACKSTAY_TESTS_LONG") != nullptr ? 1 : usual;
}

void add_segment(Repository& repository, const SessionId& session,
                 std::optional<Checkpoint> checkpoint)
{
    write_segment(repository, session, {}, {}, {}, std::move(checkpoint), {});
}

void compact(Repository& repository)
{
    for (const SegmentId& id : compact_segments(repository, {})) {
        repository.store().remove(segment_key(id), {});
    }
}

} // namespace

TEST_CASE("a prune joins many small index segments, though nothing is unused")
{
    const auto store = store_of(many_backups());
    REQUIRE(segments_in(*store) > most_small_segments);
    const auto before = static_cast<std::int64_t>(segments_in(*store));
    const Record summary = prune(*open_sample(store));
    CHECK(summary.number("segments_joined") == before);
    CHECK(summary.number("packs_removed") == 0);
    CHECK(segments_in(*store) == 1);
    check_whole(store);
    SUBCASE("once")
    {
        CHECK(prune(*open_sample(store)).number("segments_joined") == 0);
        CHECK(segments_in(*store) == 1);
    }
    SUBCASE("and backups know what they say")
    {
        CHECK(back_up(*open_sample(store), files_of(3)).number("bytes_new") == 0);
    }
}

TEST_CASE("a few small index segments stay as they are")
{
    SampleRepository sample;
    back_up(*sample.repository, monday());
    back_up(*sample.repository, tuesday());
    const std::vector<std::string> before = keys_of(*sample.store, "index/");
    CHECK(prune(*sample.repository).number("segments_joined") == 0);
    CHECK(keys_of(*sample.store, "index/") == before);
}

TEST_CASE("index segments of who goes on, and what a backup can be resumed from, are not joined")
{
    const auto store = store_of(many_backups());
    FakeClock clock;
    const auto repository = open_sample(store, {"", &clock});
    const std::vector<std::string> old = keys_of(*store, "index/");
    const Session living(*repository, "backup", Session::Use::writing, {});
    add_segment(*repository, living.id(), std::nullopt);
    Checkpoint checkpoint;
    checkpoint.series = "series";
    add_segment(*repository, random_id<SessionId>(), checkpoint);
    compact(*repository);
    CHECK(std::none_of(old.begin(), old.end(),
                       [&](const std::string& key) { return store->stat(key, {}).has_value(); }));
    CHECK(segments_in(*store) == 3);
    clock.advance(8 * 24 * 3600);
    for (std::size_t i = 0; i < most_small_segments; ++i) {
        add_segment(*repository, random_id<SessionId>(), std::nullopt);
    }
    compact(*repository);
    CHECK(segments_in(*store) == 2); // the checkpoint is too old by now
}

TEST_CASE("joining index segments can fail at any operation and loses nothing")
{
    const std::map<std::string, Bytes> before = many_backups();
    for (const auto when : {FaultyStore::When::before, FaultyStore::When::after}) {
        for (std::uint64_t nth = 1;; nth += stride(37)) {
            CAPTURE(nth);
            const std::shared_ptr<ObjectStore> disk = store_of(before);
            const auto faulty = std::make_shared<FaultyStore>(
                disk, nth, when, FaultyStore::How::ever_after, ErrorCode::storage);
            error_of([&] { prune(*open_sample(faulty)); });
            check_whole(disk);
            prune(*open_sample(disk));
            CHECK(segments_in(*disk) <= most_small_segments + 1);
            if (!faulty->failed()) {
                REQUIRE(nth > 100);
                break;
            }
        }
    }
}

TEST_CASE("two who join index segments at once lose nothing, nor does who backs up meanwhile")
{
    const std::map<std::string, Bytes> before = many_backups();
    std::uint64_t number = 0;
    for (bool reached = true; reached; number += stride(19)) {
        CAPTURE(number);
        const std::shared_ptr<ObjectStore> store = store_of(before);
        const auto hooked = std::make_shared<HookedStore>(store);
        std::uint64_t operations = 0;
        hooked->before = [&](HookedStore::Operation, const std::string&) {
            if (operations++ == number) {
                prune(*open_sample(store));
                back_up(*open_sample(store), files_of(many_days - 1));
            }
        };
        CHECK_NOTHROW(prune(*open_sample(hooked)));
        reached = operations > number;
        if (reached) {
            std::vector<Files> all = files_of_all_days();
            all.push_back(files_of(many_days - 1));
            CHECK(all_contents(*open_sample(store)) == all);
            CHECK(complaints_of_check(*open_sample(store)) == std::vector<std::string>{});
        }
    }
    REQUIRE(number > 100);
}
