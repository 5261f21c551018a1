#include "engine/check.hpp"

#include "engine/forget.hpp"
#include "engine/pack_check.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_backup.hpp"
#include "support/sample_repository.hpp"
#include "support/sample_snapshots.hpp"
#include "support/seeded_bytes.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <map>
#include <set>

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

/// Does not hand out some objects.
class DenyingStore : public MemoryStore
{
public:
    explicit DenyingStore(const std::map<std::string, Bytes>& contents)
    {
        for (const auto& [key, bytes] : contents) {
            create(key, bytes, {});
        }
    }

    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override
    {
        const auto found = refusals.find(key);
        if (found != refusals.end()) {
            throw Error(found->second, "it is in an archive", key);
        }
        return MemoryStore::get(key, offset, buffer, stop);
    }

    std::map<std::string, ErrorCode> refusals; ///< to be changed while nobody asks
};

/// A repository with packs of data of `count` snapshots.
struct DenyingRig {
    explicit DenyingRig(int count)
    {
        SampleSnapshots sample;
        SnapshotRecord about;
        for (int i = 0; i < count; ++i) {
            about = after(sample.commit({{"files/a", {{}, std::to_string(i)}}}, about));
        }
        store = std::make_shared<DenyingStore>(contents_of(sample.store()));
        repository = open_sample(store);
        const auto index = BlobIndex::load(*repository, {}, Freshness::fresh, {});
        for (std::uint32_t pack = 0; pack < index->packs(); ++pack) {
            if (index->frame(pack, 0).key_class == KeyClass::data) {
                data_packs.push_back(pack_key(index->pack(pack).id));
            }
        }
    }

    Record check(EmittedRecords& emitted)
    {
        CheckOptions options;
        options.read_data = 100;
        EngineLimits limits = small_limits();
        limits.threads = 1; // so that records come one at a time
        return run_check(*repository, options, limits, emitted.context());
    }

    void spoil(const std::string& key)
    {
        Bytes bytes = get_object(*store, key, MiB, {});
        bytes[bytes.size() / 2] ^= 1;
        store->remove(key, {});
        store->create(key, bytes, {});
    }

    std::shared_ptr<DenyingStore> store;
    std::shared_ptr<Repository> repository;
    std::vector<std::string> data_packs;
};

} // namespace

TEST_CASE("packs that the store does not hand out are listed, and the others checked all the same")
{
    DenyingRig rig(3);
    REQUIRE(rig.data_packs.size() == 3);
    rig.store->refusals = {{rig.data_packs[0], ErrorCode::denied},
                           {rig.data_packs[2], ErrorCode::unavailable}};
    EmittedRecords emitted;
    const Record summary = rig.check(emitted);
    CHECK(summary.number("packs_unread") == 2);
    CHECK(summary.number("problems") == 2);
    CHECK(summary.text("verdict") == "problems");
    const std::vector<std::string> objects = emitted.texts("problem", "object");
    CHECK(std::set<std::string>(objects.begin(), objects.end()) ==
          std::set<std::string>{rig.data_packs[0], rig.data_packs[2]});
    CHECK(emitted.texts("problem", "message") ==
          std::vector<std::string>(2, "could not be read: it is in an archive"));
    const std::vector<std::string> codes = emitted.texts("problem", "code");
    CHECK(std::set<std::string>(codes.begin(), codes.end()) ==
          std::set<std::string>{"denied", "unavailable"});

    rig.spoil(rig.data_packs[1]); // damage is damage, whatever else was not read
    CHECK(rig.check(emitted).text("verdict") == "damaged");
}

TEST_CASE("scrub lists what the store does not hand out, and goes on")
{
    DenyingRig rig(3);
    rig.store->refusals = {{rig.data_packs[0], ErrorCode::denied},
                           {rig.data_packs[1], ErrorCode::denied}};
    EngineLimits limits = small_limits();
    limits.threads = 1;
    EmittedRecords emitted;
    const Record summary = run_scrub(*rig.store, {}, limits, emitted.context());
    CHECK(summary.number("objects_unread") == 2);
    CHECK(summary.text("verdict") == "problems");
    CHECK(emitted.texts("problem", "path").size() == 2);
    rig.spoil(rig.data_packs[2]);
    CHECK(run_scrub(*rig.store, {}, limits, emitted.context()).text("verdict") == "damaged");
}

TEST_CASE("a store that goes away ends a check with its error")
{
    DenyingRig rig(20);
    for (const std::string& key : rig.data_packs) {
        rig.store->refusals[key] = ErrorCode::denied;
    }
    EmittedRecords all_denied;
    CHECK(rig.check(all_denied).number("packs_unread") == 20);
    for (const std::string& key : keys_of(*rig.store, "packs/")) {
        rig.store->refusals[key] = ErrorCode::unavailable;
    }
    EmittedRecords emitted;
    CHECK(error_name_of([&] { rig.check(emitted); }) == "unavailable");
    CHECK(emitted.texts("problem", "object").size() == 15);
}

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

TEST_CASE("a pack that the store does not hand out is no damage")
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

TEST_CASE("what a lost or damaged segment of the index knew is read from the packs themselves")
{
    for (const bool lost : {true, false}) {
        CAPTURE(lost);
        SampleRepository sample;
        back_up(*sample.repository, monday());
        back_up(*sample.repository, tuesday());
        for (const std::string& key : keys_of(*sample.store, "index/")) {
            Bytes bytes = get_object(*sample.store, key, MiB, {});
            sample.store->remove(key, {});
            if (!lost) {
                bytes[bytes.size() / 2] ^= 1;
                sample.store->create(key, bytes, {});
            }
        }
        CHECK(all_contents(*sample.repository) == std::vector<Files>{monday(), tuesday()});
        CHECK(problems_of_check(*sample.repository) > 0);
        const Record again = back_up(*sample.repository, tuesday());
        CHECK(again.number("problems") == (lost ? 0 : 2));
        CHECK(all_contents(*sample.repository) ==
              std::vector<Files>{monday(), tuesday(), tuesday()});
        JobContext context;
        CHECK_THROWS_WITH_AS(run_prune(*sample.repository, prune_all(), small_limits(), context),
                             doctest::Contains("nothing was removed"), Error);
    }
}

TEST_CASE("check looks at what the store has, not at the cache's copies of it")
{
    const TempDir cache;
    SampleRepository sample;
    back_up(*sample.repository, monday());
    OpenOptions open;
    open.cache_folder = cache / "cache";
    const auto repository = open_sample(sample.store, open);
    CHECK(all_contents(*repository) == std::vector<Files>{monday()}); // fills the cache
    for (const char* folder : {"snapshots/", "index/"}) {
        CAPTURE(folder);
        const std::string key = keys_of(*sample.store, folder).front();
        const Bytes whole = get_object(*sample.store, key, MiB, {});
        Bytes bytes = whole;
        bytes[bytes.size() / 2] ^= 1;
        sample.store->remove(key, {});
        sample.store->create(key, bytes, {});
        CHECK(problems_of_check(*repository) > 0);
        CHECK(all_contents(*repository) == std::vector<Files>{monday()});
        sample.store->remove(key, {});
        sample.store->create(key, whole, {});
        CHECK(problems_of_check(*repository) == 0);
    }
}

TEST_CASE("every damaged object is found by check, and no restore gives false bytes")
{
    const auto disk = std::make_shared<MemoryStore>();
    back_up(*init_sample(disk), monday());
    const std::map<std::string, Bytes> whole = contents_of(*disk);
    for (const auto& [key, bytes] : whole) {
        // A flip at some places of each object, one cut short, one missing.
        std::vector<Bytes> damaged;
        for (const std::size_t at :
             {std::size_t{0}, bytes.size() / 3, bytes.size() / 2, bytes.size() - 1}) {
            Bytes flipped = bytes;
            flipped[at] ^= 0x40;
            damaged.push_back(flipped);
        }
        damaged.emplace_back(bytes.begin(),
                             bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2));
        for (std::size_t i = 0; i <= damaged.size(); ++i) {
            CAPTURE(key);
            CAPTURE(i);
            const bool harmless = key.starts_with("sessions/") ||
                                  (i == damaged.size() && key.starts_with("snapshots/"));
            const auto store = std::make_shared<MemoryStore>();
            for (const auto& [name, content] : whole) {
                if (name != key) {
                    store->create(name, content, {});
                } else if (i < damaged.size()) {
                    store->create(name, damaged[i], {});
                }
            }
            try {
                const auto repository = open_sample(store);
                CHECK((problems_of_check(*repository) > 0 || harmless));
                for (const Files& files : all_contents(*repository)) {
                    CHECK(files == monday());
                }
            } catch (const Error& error) {
                const bool clear =
                    error.code() == ErrorCode::damaged || error.code() == ErrorCode::key ||
                    error.code() == ErrorCode::not_found ||
                    error.code() == ErrorCode::unsupported || error.code() == ErrorCode::denied;
                CHECK_MESSAGE(clear, error.what());
            }
        }
    }
}
