#include "repo/snapshot_catalog.hpp"

#include "base/random.hpp"
#include "repo/session.hpp"
#include "repo/snapshot_notes.hpp"
#include "support/far_store.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_repository.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <doctest/doctest.h>
#include <mutex>

using namespace backstay::core;
using Operation = HookedStore::Operation;

namespace
{

SessionId commit(Repository& repository, std::int64_t seconds, std::uint64_t counter = 1)
{
    Session session(repository, "backup", Session::Use::writing, {});
    SnapshotRecord record;
    record.id = session.id();
    record.time = {seconds, 0};
    record.counter = counter;
    record.host = "host";
    record.tags = {"b", "a", "b"};
    session.commit(encode_snapshot(record), {});
    return record.id;
}

std::vector<SessionId> ids_of(const SnapshotList& list)
{
    std::vector<SessionId> ids;
    for (const Snapshot& snapshot : list.snapshots) {
        ids.push_back(snapshot.record.id);
    }
    return ids;
}

/// A store that is far away, and lets nobody read an object of one folder before another asks for
/// one there, too.
class MeetingStore : public FarStore
{
public:
    /// Whether two met there while `body` ran.
    bool meet(const std::string& folder, const std::function<void()>& body)
    {
        folder_ = folder;
        waiting_ = 0;
        met_ = false;
        body();
        return met_;
    }

    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override
    {
        if (!folder_.empty() && key.starts_with(folder_)) {
            std::unique_lock lock(mutex_);
            met_ = met_ || ++waiting_ == 2;
            someone_came_.notify_all();
            someone_came_.wait_for(lock, std::chrono::seconds(10), [this] { return met_; });
        }
        return FarStore::get(key, offset, buffer, stop);
    }

private:
    std::string folder_;
    std::mutex mutex_; // guards the two below
    int waiting_ = 0;
    bool met_ = false;
    std::condition_variable someone_came_;
};

} // namespace

TEST_CASE("a store that is far away is asked for several small objects at once")
{
    const auto store = std::make_shared<MeetingStore>();
    const auto repository = init_sample(store);
    for (std::int64_t time = 1; time <= 3; ++time) {
        commit(*repository, time);
        condemn(*repository, {random_id<PackId>()}, {}, {});
    }
    for (const Snapshot& snapshot : list_snapshots(*repository, {}).snapshots) {
        write_note(*repository, snapshot, {std::nullopt, true, std::nullopt}, {});
    }
    for (const char* folder : {"snapshots/", "gc/", "notes/"}) {
        CAPTURE(folder);
        SnapshotList list;
        CHECK(store->meet(folder, [&] { list = list_snapshots(*repository, {}); }));
        CHECK(list.snapshots.size() == 3);
        CHECK(std::all_of(list.snapshots.begin(), list.snapshots.end(),
                          [](const Snapshot& snapshot) { return snapshot.pinned; }));
    }
}

TEST_CASE("snapshots are listed by their time, then by their place in the series")
{
    SampleRepository sample;
    const SessionId third = commit(*sample.repository, 200, 2);
    const SessionId first = commit(*sample.repository, 100, 7);
    const SessionId second = commit(*sample.repository, 200, 1);
    const SnapshotList list = list_snapshots(*sample.repository, {});
    CHECK(ids_of(list) == std::vector<SessionId>{first, second, third});
    CHECK(list.unreadable.empty());
    CHECK(list.snapshots[0].tags == std::vector<std::string>{"a", "b"});
    CHECK(list.snapshots[0].stored > Timestamp{});
}

TEST_CASE("tombstones and spent snapshots do not count")
{
    SampleRepository sample;
    const SessionId spent = commit(*sample.repository, 100);
    const SessionId left = commit(*sample.repository, 200);
    const auto fenced = random_id<SessionId>();
    fence_session(*sample.repository, fenced, "too slow", {});
    condemn(*sample.repository, {}, {spent}, {});
    CHECK(ids_of(list_snapshots(*sample.repository, {})) == std::vector<SessionId>{left});
    CHECK_FALSE(snapshot_counts(*sample.repository, spent, {}));
    CHECK_FALSE(snapshot_counts(*sample.repository, fenced, {}));
    CHECK_FALSE(snapshot_counts(*sample.repository, random_id<SessionId>(), {}));
    CHECK(snapshot_counts(*sample.repository, left, {}));
}

TEST_CASE("a snapshot forgotten while it is listed is passed over")
{
    const auto disk = std::make_shared<MemoryStore>();
    const auto hooked = std::make_shared<HookedStore>(disk);
    const auto repository = init_sample(hooked);
    const SessionId gone = commit(*repository, 100);
    const SessionId left = commit(*repository, 200);
    hooked->before = [&](Operation operation, const std::string& key) {
        if (operation != Operation::list && key == snapshot_key(gone)) {
            disk->remove(key, {});
        }
    };
    const SnapshotList list = list_snapshots(*repository, {});
    CHECK(ids_of(list) == std::vector<SessionId>{left});
    CHECK(list.unreadable.empty());
}

TEST_CASE("a commit between the two lists is not missed as spent, nor a spent one believed")
{
    // snapshots/ is listed first, gc/ second: what is spent in between is seen as spent.
    const auto disk = std::make_shared<MemoryStore>();
    const auto hooked = std::make_shared<HookedStore>(disk);
    const auto repository = init_sample(hooked);
    const auto other = open_sample(disk);
    const SessionId spent = commit(*repository, 100);
    hooked->after = [&](Operation operation, const std::string& key) {
        if (operation == Operation::list && key == "snapshots/") {
            condemn(*other, {}, {spent}, {});
        }
    };
    CHECK(list_snapshots(*repository, {}).snapshots.empty());
}

TEST_CASE("a damaged snapshot is shown as such, and hides no other")
{
    SampleRepository sample;
    const SessionId damaged = commit(*sample.repository, 100);
    const SessionId good = commit(*sample.repository, 200);
    const auto contents = contents_of(*sample.store);
    const std::string key = snapshot_key(damaged);
    const auto check = [&](const Bytes& bytes) {
        auto altered = contents;
        altered[key] = bytes;
        const auto repository = open_sample(store_of(altered));
        const SnapshotList list = list_snapshots(*repository, {});
        CHECK(ids_of(list) == std::vector<SessionId>{good});
        REQUIRE(list.unreadable.size() == 1);
        CHECK(list.unreadable[0].id == damaged);
        CHECK(list.unreadable[0].why.find(key) != std::string::npos);
    };
    const Bytes whole = contents.at(key);
    for (std::size_t i = 0; i < whole.size(); ++i) {
        CAPTURE(i);
        Bytes flipped = whole;
        flipped[i] ^= 0x41;
        check(flipped);
        check(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(i)));
    }
    check(contents.at(snapshot_key(good))); // another's
}

TEST_CASE("snapshots of another repository are not believed")
{
    SampleRepository sample;
    SampleRepository other;
    const SessionId id = commit(*other.repository, 100);
    sample.store->create(snapshot_key(id), get_object(*other.store, snapshot_key(id), MiB, {}), {});
    const SnapshotList list = list_snapshots(*sample.repository, {});
    CHECK(list.snapshots.empty());
    CHECK(list.unreadable.size() == 1);
}

TEST_CASE("nothing is listed while a condemnation cannot be read")
{
    SampleRepository sample;
    commit(*sample.repository, 100);
    sample.store->create(condemnation_key(1), as_bytes("garbage"), {});
    CHECK(error_name_of([&] { list_snapshots(*sample.repository, {}); }) == "damaged");
}

TEST_CASE("a store that fails for now is not taken for damage")
{
    const auto hooked = std::make_shared<HookedStore>(std::make_shared<MemoryStore>());
    const auto repository = init_sample(hooked);
    const SessionId id = commit(*repository, 100);
    hooked->before = [&](Operation, const std::string& key) {
        if (key == snapshot_key(id)) {
            throw Error(ErrorCode::unavailable, "the line broke", key);
        }
    };
    CHECK(error_name_of([&] { list_snapshots(*repository, {}); }) == "unavailable");
}
