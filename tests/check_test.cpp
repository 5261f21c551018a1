#include "engine/check.hpp"

#include "engine/forget.hpp"
#include "engine/pack_check.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_snapshots.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

SnapshotRecord after(const Snapshot& before)
{
    SnapshotRecord about;
    about.predecessor = before.record.id;
    about.predecessor_digest = before.digest;
    return about;
}

std::vector<std::string> complaints(SampleSnapshots& sample)
{
    EmittedRecords emitted;
    const Record summary = run_check(sample.repository(), {}, small_limits(), emitted.context());
    const std::vector<std::string> told = emitted.texts("problem", "message");
    CHECK(summary.number("problems") == static_cast<std::int64_t>(told.size()));
    CHECK(summary.text("verdict") == (told.empty() ? "ok" : "damaged"));
    return told;
}

} // namespace

TEST_CASE("a chain of snapshots that nobody touched is whole, forgotten ones or not")
{
    SampleSnapshots sample;
    const Snapshot first = sample.commit({{"files/a", {{}, "1"}}});
    const Snapshot second = sample.commit({{"files/a", {{}, "2"}}}, after(first));
    sample.commit({{"files/a", {{}, "3"}}}, after(second));
    CHECK(complaints(sample).empty());
    JobContext context;
    ForgetOptions options;
    options.snapshots = {second.record.id.hex()};
    run_forget(sample.repository(), options, small_limits(), context);
    CHECK(complaints(sample).empty());
}

TEST_CASE("a snapshot that was taken away behind everybody's back is missed by the one after it")
{
    SampleSnapshots sample;
    const Snapshot first = sample.commit({{"files/a", {{}, "1"}}});
    sample.commit({{"files/a", {{}, "2"}}}, after(first));
    sample.store().remove(snapshot_key(first.record.id), {});
    const std::vector<std::string> told = complaints(sample);
    REQUIRE(told.size() == 1);
    CHECK(told[0].find(first.record.id.hex()) != std::string::npos);
    CHECK(told[0].find("nobody forgot it") != std::string::npos);
}

TEST_CASE("a snapshot in place of another is noticed by the one after it")
{
    SampleSnapshots sample;
    const Snapshot first = sample.commit({{"files/a", {{}, "1"}}});
    SnapshotRecord about = after(first);
    about.predecessor_digest[0] ^= 1;
    sample.commit({{"files/a", {{}, "2"}}}, about);
    const std::vector<std::string> told = complaints(sample);
    REQUIRE(told.size() == 1);
    CHECK(told[0].find("is not the one") != std::string::npos);
}

TEST_CASE("a snapshot that cannot be read is told once, not by its successor too")
{
    SampleSnapshots sample;
    const Snapshot first = sample.commit({{"files/a", {{}, "1"}}});
    sample.commit({{"files/a", {{}, "2"}}}, after(first));
    const std::string key = snapshot_key(first.record.id);
    Bytes bytes = get_object(sample.store(), key, MiB, {});
    bytes[bytes.size() / 2] ^= 1;
    sample.store().remove(key, {});
    sample.store().create(key, bytes, {});
    CHECK(complaints(sample).size() == 1);
}

TEST_CASE("a pack that the store does not hand out is no damage: the check ends with its error")
{
    SampleSnapshots sample;
    sample.commit({{"files/a", {{}, "1"}}});
    const auto store = std::make_shared<HookedStore>(store_of(contents_of(sample.store())));
    const auto repository = open_sample(store);
    const auto index = BlobIndex::load(*repository, {}, Freshness::fresh, {});
    REQUIRE(index->packs() > 0);
    const std::string key = pack_key(index->pack(0).id);
    std::vector<std::string> damages;
    PackChecker checker(*repository, *index, [&damages](const PackChecker::Damage& damage) {
        damages.push_back(damage.what);
    });
    std::uint64_t bytes = 0;
    for (const ErrorCode refusal : {ErrorCode::denied, ErrorCode::unavailable}) {
        CAPTURE(error_code_name(refusal));
        store->before = [&](HookedStore::Operation, const std::string& asked) {
            if (asked == key) {
                throw Error(refusal, "it is in an archive", asked);
            }
        };
        CHECK_THROWS_WITH_AS(checker.check(0, {}), "it is in an archive", Error);
        CHECK_THROWS_WITH_AS(check_name(*store, key, index->pack(0).id.bytes, bytes, {}),
                             "it is in an archive", Error);
    }
    CHECK(damages.empty());
    store->before = [&](HookedStore::Operation, const std::string& asked) {
        if (asked == key) {
            throw Error(ErrorCode::storage, "a sector cannot be read", asked);
        }
    };
    checker.check(0, {});
    CHECK(damages == std::vector<std::string>{"a sector cannot be read"});
}
