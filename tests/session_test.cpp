#include "repo/session.hpp"

#include "base/random.hpp"
#include "format/index_segment.hpp"
#include "repo/snapshot_catalog.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_repository.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace backstay::core;
using Operation = HookedStore::Operation;
using Use = Session::Use;

namespace
{

Bytes snapshot_of(const Session& session)
{
    SnapshotRecord record;
    record.id = session.id();
    record.time = {1'700'000'000, 0};
    record.host = "host";
    return encode_snapshot(record);
}

/// A repository whose store lets the test in.
struct Hooked {
    std::shared_ptr<MemoryStore> disk = std::make_shared<MemoryStore>();
    std::shared_ptr<HookedStore> store = std::make_shared<HookedStore>(disk);
    std::shared_ptr<Repository> repository = init_sample(store);
    /// Somebody else's, who is not hooked.
    std::shared_ptr<Repository> other = open_sample(disk);

    bool has(const std::string& key) const { return disk->stat(key, {}).has_value(); }
    std::size_t snapshots() { return list_snapshots(*other, {}).snapshots.size(); }
};

/// Runs `body` once, before the first operation of this kind on a key that begins so.
HookedStore::Hook once_before(HookedStore& store, Operation wanted, const std::string& prefix,
                              const std::function<void()>& body)
{
    return [&store, wanted, prefix, body](Operation operation, const std::string& key) {
        if (operation == wanted && key.starts_with(prefix)) {
            store.before = {};
            body();
        }
    };
}

} // namespace

TEST_CASE("a session announces itself before it reads what is condemned")
{
    Hooked hooked;
    condemn(*hooked.other, {random_id<PackId>()}, {}, {});
    std::vector<std::string> seen;
    hooked.store->after = [&](Operation operation, const std::string& key) {
        if (operation == Operation::create || operation == Operation::list) {
            seen.push_back(key);
        }
    };
    Session session(*hooked.repository, "backup", Use::writing, {});
    REQUIRE(seen.size() == 2);
    CHECK(seen[0] == session_key(session.id()));
    CHECK(seen[1] == "gc/");
    CHECK(session.condemned().packs.size() == 1);
}

TEST_CASE("a committed session is a snapshot, and leaves no session behind")
{
    Hooked hooked;
    Session session(*hooked.repository, "backup", Use::writing, {});
    CHECK(list_sessions(*hooked.other, {}).size() == 1);
    const Digest digest = session.commit(snapshot_of(session), {});
    CHECK(list_sessions(*hooked.other, {}).empty());
    const SnapshotList list = list_snapshots(*hooked.other, {});
    REQUIRE(list.snapshots.size() == 1);
    CHECK(list.snapshots[0].record.id == session.id());
    CHECK(list.snapshots[0].digest == digest);
    CHECK(list.snapshots[0].signer == hooked.repository->keys().slot());
}

TEST_CASE("a session that is dropped never commits, and leaves a tombstone")
{
    Hooked hooked;
    SessionId id;
    {
        Session session(*hooked.repository, "backup", Use::writing, {});
        id = session.id();
    }
    CHECK(list_sessions(*hooked.other, {}).empty());
    CHECK(hooked.has(snapshot_key(id)));
    CHECK(hooked.snapshots() == 0);
    CHECK_FALSE(snapshot_counts(*hooked.other, id, {}));
}

TEST_CASE("a reader's session leaves nothing behind")
{
    Hooked hooked;
    const auto before = contents_of(*hooked.disk);
    {
        Session dropped(*hooked.repository, "restore", Use::reading, {});
        Session finished(*hooked.repository, "restore", Use::reading, {});
        CHECK(list_sessions(*hooked.other, {}).size() == 2);
        finished.finish_reading({});
        Session given_up(*hooked.repository, "restore", Use::reading, {});
        given_up.give_up("enough", {});
    }
    CHECK(contents_of(*hooked.disk) == before);
}

TEST_CASE("a reader that was fenced does not report success")
{
    Hooked hooked;
    Session session(*hooked.repository, "restore", Use::reading, {});
    CHECK(fence_session(*hooked.other, session.id(), "too slow", {}));
    SUBCASE("while its tombstone stands") {}
    SUBCASE("after the tombstone was cleared away")
    {
        condemn(*hooked.other, {}, {session.id()}, {});
        hooked.disk->remove(snapshot_key(session.id()), {});
    }
    CHECK(error_name_of([&] { session.finish_reading({}); }) == "fenced");
}

TEST_CASE("a session that was fenced does not commit")
{
    Hooked hooked;
    Session session(*hooked.repository, "backup", Use::writing, {});
    const auto error = [&] { return error_of([&] { session.commit(snapshot_of(session), {}); }); };
    SUBCASE("before")
    {
        CHECK(fence_session(*hooked.other, session.id(), "no sign of life", {}));
        const auto fenced = error();
        REQUIRE(fenced);
        CHECK(fenced->code() == ErrorCode::fenced);
        CHECK(std::string(fenced->what()).find("no sign of life") != std::string::npos);
    }
    SUBCASE("in the last moment")
    {
        hooked.store->before = once_before(*hooked.store, Operation::create, "snapshots/", [&] {
            fence_session(*hooked.other, session.id(), "too slow", {});
        });
        const auto fenced = error();
        REQUIRE(fenced);
        CHECK(fenced->code() == ErrorCode::fenced);
    }
    SUBCASE("and the tombstone went before it could be read")
    {
        fence_session(*hooked.other, session.id(), "too slow", {});
        hooked.store->before = once_before(*hooked.store, Operation::stat, "snapshots/", [&] {
            condemn(*hooked.other, {}, {session.id()}, {});
            hooked.disk->remove(snapshot_key(session.id()), {});
        });
        const auto fenced = error();
        REQUIRE(fenced);
        CHECK(fenced->code() == ErrorCode::fenced);
    }
    CHECK(hooked.snapshots() == 0);
    CHECK_FALSE(hooked.has(session_key(session.id())));
}

TEST_CASE("a commit under a name that was spent does not count")
{
    Hooked hooked;
    Session session(*hooked.repository, "backup", Use::writing, {});
    // Fenced, forgotten and cleared away while this session slept: the name is free again.
    fence_session(*hooked.other, session.id(), "too slow", {});
    condemn(*hooked.other, {}, {session.id()}, {});
    hooked.disk->remove(snapshot_key(session.id()), {});
    hooked.disk->remove(session_key(session.id()), {});
    CHECK(error_name_of([&] { session.commit(snapshot_of(session), {}); }) == "fenced");
    CHECK(hooked.snapshots() == 0);
    CHECK_FALSE(snapshot_counts(*hooked.other, session.id(), {}));
}

TEST_CASE("a snapshot forgotten between its creation and the last look is not reported")
{
    Hooked hooked;
    Session session(*hooked.repository, "backup", Use::writing, {});
    hooked.store->after = [&](Operation operation, const std::string& key) {
        if (operation == Operation::create && key.starts_with("snapshots/")) {
            hooked.store->after = {};
            condemn(*hooked.other, {}, {session.id()}, {});
        }
    };
    CHECK(error_name_of([&] { session.commit(snapshot_of(session), {}); }) == "fenced");
}

TEST_CASE("a commit whose answer is lost is a success, once")
{
    Hooked hooked;
    Session session(*hooked.repository, "backup", Use::writing, {});
    hooked.store->after = [&](Operation operation, const std::string& key) {
        if (operation == Operation::create) {
            hooked.store->after = {};
            throw Error(ErrorCode::unavailable, "the line broke", key);
        }
    };
    CHECK_NOTHROW(session.commit(snapshot_of(session), {}));
    CHECK(hooked.snapshots() == 1);
}

TEST_CASE("fencing a session that committed, or that somebody fenced, says how it ended")
{
    Hooked hooked;
    Session committed(*hooked.repository, "backup", Use::writing, {});
    committed.commit(snapshot_of(committed), {});
    CHECK_FALSE(fence_session(*hooked.other, committed.id(), "too slow", {}));
    CHECK(hooked.snapshots() == 1);

    Session fenced(*hooked.repository, "backup", Use::writing, {});
    CHECK(fence_session(*hooked.other, fenced.id(), "too slow", {}));
    CHECK(fence_session(*hooked.repository, fenced.id(), "much too slow", {}));
}

TEST_CASE("a session that fails at any operation of the store either counts or does not")
{
    for (const bool answer_lost : {false, true}) {
        for (const ErrorCode code :
             {ErrorCode::storage, ErrorCode::unavailable, ErrorCode::cancelled}) {
            bool failed = true;
            for (int nth = 1; failed; ++nth) {
                CAPTURE(answer_lost);
                CAPTURE(nth);
                CAPTURE(error_code_name(code));
                Hooked hooked;
                int count = 0;
                failed = false;
                (answer_lost ? hooked.store->after
                             : hooked.store->before) = [&](Operation, const std::string& key) {
                    if (++count == nth) {
                        failed = true;
                        throw Error(code, "the store failed", key);
                    }
                };
                bool committed = false;
                SessionId id;
                try {
                    Session session(*hooked.repository, "backup", Use::writing, {});
                    id = session.id();
                    session.commit(snapshot_of(session), {});
                    committed = true;
                } catch (const Error& error) {
                    CHECK(error.code() == code);
                }
                if (committed) {
                    CHECK(snapshot_counts(*hooked.other, id, {}));
                }
                CHECK(hooked.snapshots() <= 1);
                CHECK((committed || failed));
                // What did not commit never will: at once, or when a collector comes by.
                for (const ListedSession& left : list_sessions(*hooked.other, {})) {
                    fence_session(*hooked.other, left.id, "left", {});
                    CHECK(hooked.has(snapshot_key(left.id)));
                }
            }
        }
    }
}

TEST_CASE("a session that dies at any operation of the store never half commits")
{
    bool dies = true;
    for (int nth = 1; dies; ++nth) {
        CAPTURE(nth);
        Hooked hooked;
        int count = 0;
        dies = false;
        hooked.store->before = [&](Operation, const std::string& key) {
            if (++count >= nth) {
                dies = true;
                throw Error(ErrorCode::storage, "dead", key);
            }
        };
        SessionId id;
        bool committed = false;
        try {
            Session session(*hooked.repository, "backup", Use::writing, {});
            id = session.id();
            session.commit(snapshot_of(session), {});
            committed = true;
        } catch (const Error&) {
        }
        const bool counts = id != SessionId{} && snapshot_counts(*hooked.other, id, {});
        CHECK((counts || !committed));
        if (!counts && hooked.has(session_key(id))) {
            CHECK(fence_session(*hooked.other, id, "dead", {}));
        }
    }
}

TEST_CASE("a commit may be asked for again after it failed")
{
    Hooked hooked;
    Session session(*hooked.repository, "backup", Use::writing, {});
    hooked.store->before = once_before(*hooked.store, Operation::list, "gc/", [] {
        throw Error(ErrorCode::unavailable, "the line broke", "gc/");
    });
    CHECK(error_name_of([&] { session.commit(snapshot_of(session), {}); }) == "unavailable");
    CHECK_NOTHROW(session.commit(snapshot_of(session), {}));
    CHECK(hooked.snapshots() == 1);
}

TEST_CASE("sessions are listed with who runs them, unreadable ones too")
{
    Hooked hooked;
    Session session(*hooked.repository, "backup", Use::writing, {});
    const auto strange = random_id<SessionId>();
    hooked.disk->create(session_key(strange), as_bytes("garbage"), {});
    hooked.disk->create("sessions/strange", as_bytes("garbage"), {});
    const auto sessions = list_sessions(*hooked.other, {});
    REQUIRE(sessions.size() == 2);
    for (const ListedSession& each : sessions) {
        CHECK(each.record.has_value() == (each.id == session.id()));
        if (each.record) {
            CHECK(each.record->purpose == "backup");
            CHECK(each.record->host == host_name());
            CHECK(each.record->process == static_cast<std::uint64_t>(::getpid()));
            CHECK_FALSE(process_has_gone(*each.record));
        }
    }
}

TEST_CASE("a session under another's name is not believed")
{
    Hooked hooked;
    Session session(*hooked.repository, "backup", Use::writing, {});
    const auto copy = random_id<SessionId>();
    hooked.disk->create(session_key(copy),
                        get_object(*hooked.disk, session_key(session.id()), MiB, {}), {});
    for (const ListedSession& each : list_sessions(*hooked.other, {})) {
        CHECK(each.record.has_value() == (each.id == session.id()));
    }
}

TEST_CASE("only a process of this host and this boot can be known to have gone")
{
    SessionRecord gone;
    gone.host = host_name();
    gone.boot_id = boot_id();
    gone.process = static_cast<std::uint64_t>(::getpid());
    gone.process_start = process_start(gone.process).value() + 1;
    CHECK(process_has_gone(gone));
    SessionRecord elsewhere = gone;
    elsewhere.host += "x";
    CHECK_FALSE(process_has_gone(elsewhere));
    SessionRecord before_reboot = gone;
    before_reboot.boot_id = "x";
    CHECK_FALSE(process_has_gone(before_reboot));
}
