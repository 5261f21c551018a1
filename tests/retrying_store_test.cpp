#include "store/memory_store.hpp"
#include "store/retrying_store.hpp"
#include "store/transient_error.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <thread>

using namespace backstay::core;

namespace
{

using Operation = HookedStore::Operation;

/// Time that passes only by waiting for it.
struct FakeWaiting {
    double now = 0;
    std::vector<double> pauses;

    Waiting waiting()
    {
        return {[this] { return now; },
                [this](double seconds, const std::stop_token&) {
                    pauses.push_back(seconds);
                    now += seconds;
                }};
    }
};

struct Rig {
    std::shared_ptr<MemoryStore> disk = std::make_shared<MemoryStore>();
    std::shared_ptr<HookedStore> inner = std::make_shared<HookedStore>(disk);
    FakeWaiting time;
    int calls = 0;

    RetryingStore store(RetryingStore::Limits limits = {})
    {
        return RetryingStore(inner, RetryPolicy{}, limits, time.waiting());
    }
    /// The first `times` operations fail before they are done, or after (the answer is lost).
    void fail(int times, ErrorCode code, bool after = false)
    {
        (after ? inner->after : inner->before) = [this, times, code](Operation,
                                                                     const std::string& key) {
            if (++calls <= times) {
                throw Error(code, "the test's fault", key);
            }
        };
    }
};

std::vector<std::function<void(ObjectStore&)>> operations()
{
    return {[](ObjectStore& store) { store.stat("there", {}); },
            [](ObjectStore& store) {
                Bytes buffer(10);
                const std::size_t got = store.get("there", 0, buffer, {});
                CHECK(got == 10);
            },
            [](ObjectStore& store) { store.create("new", seeded_bytes(2, 10), {}); },
            [](ObjectStore& store) {
                AlignedBuffer buffer(direct_io_alignment);
                buffer.append(seeded_bytes(2, 10));
                store.create("new", buffer, {});
            },
            [](ObjectStore& store) { store.remove("there", {}); },
            [](ObjectStore& store) {
                const std::size_t listed = keys_of(store, "").size();
                CHECK(listed == 1);
            }};
}

} // namespace

TEST_CASE("what is unavailable is tried again until it works")
{
    for (const auto& operation : operations()) {
        Rig rig;
        rig.disk->create("there", seeded_bytes(1, 10), {});
        rig.fail(3, ErrorCode::unavailable);
        RetryingStore store = rig.store();
        CHECK(error_name_of([&] { operation(store); }).empty());
        CHECK(rig.time.pauses.size() == 3);
    }
}

TEST_CASE("what stays unavailable is given up in the end, with the store's own words and how often "
          "it was tried")
{
    for (const auto& operation : operations()) {
        Rig rig;
        rig.disk->create("there", seeded_bytes(1, 10), {});
        rig.fail(1000, ErrorCode::unavailable);
        RetryingStore store = rig.store();
        const auto error = error_of([&] { operation(store); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::unavailable);
        const std::string said = error->what();
        CHECK(said.starts_with("the test's fault (8 attempts in "));
        CHECK(rig.calls == RetryPolicy{}.attempts);
        CHECK(rig.time.pauses.size() == static_cast<std::size_t>(RetryPolicy{}.attempts - 1));
    }
}

TEST_CASE("a store that goes on failing is told, its first failure is not")
{
    Rig rig;
    rig.disk->create("there", seeded_bytes(1, 10), {});
    std::vector<std::string> told;
    RetryingStore store(rig.inner, RetryPolicy{}, {}, rig.time.waiting(),
                        [&told](const std::string& message) { told.push_back(message); });
    SUBCASE("once")
    {
        rig.fail(1, ErrorCode::unavailable);
        store.stat("there", {});
        CHECK(told.empty());
    }
    SUBCASE("twice")
    {
        rig.fail(2, ErrorCode::unavailable);
        store.stat("there", {});
        REQUIRE(told.size() == 1);
        CHECK(told[0] == "the test's fault; tried again for up to 180 s");
    }
    SUBCASE("for ever")
    {
        rig.fail(1000, ErrorCode::unavailable);
        CHECK(error_name_of([&] { store.stat("there", {}); }) == "unavailable");
        CHECK(!told.empty());
        CHECK(static_cast<double>(told.size()) <= 1 + rig.time.now / 10);
    }
}

TEST_CASE("nothing else is tried again")
{
    for (const ErrorCode code :
         {ErrorCode::storage, ErrorCode::denied, ErrorCode::no_space, ErrorCode::not_found,
          ErrorCode::exists, ErrorCode::cancelled, ErrorCode::damaged, ErrorCode::invalid}) {
        CAPTURE(std::string(error_code_name(code)));
        for (const auto& operation : operations()) {
            Rig rig;
            rig.fail(1000, code);
            RetryingStore store = rig.store();
            CHECK(error_name_of([&] { operation(store); }) == error_code_name(code));
            CHECK(rig.calls == 1);
            CHECK(rig.time.pauses.empty());
        }
    }
}

TEST_CASE("no attempt begins after the deadline, but for the first three")
{
    double took = 0;
    int calls = 0;
    SUBCASE("minutes")
    {
        took = 200;
        calls = 3;
    }
    SUBCASE("most of a minute")
    {
        took = 50;
        calls = 5;
    }
    Rig rig;
    rig.inner->before = [&](Operation, const std::string&) {
        ++rig.calls;
        rig.time.now += took; // a server that takes its time to fail
        throw Error(ErrorCode::unavailable, "the test's fault");
    };
    RetryingStore store = rig.store();
    CHECK(error_name_of([&] { store.stat("x", {}); }) == "unavailable");
    CHECK(rig.calls == calls);
}

TEST_CASE("a pause is as long as the store asks, and longer from the first after a complaint")
{
    for (const auto& [cause, asked] : {std::pair{TransientError::Cause::lost, 7.0},
                                       {TransientError::Cause::throttled, 7.0},
                                       {TransientError::Cause::throttled, 0.0}}) {
        double longest = 0;
        for (int round = 0; round < 100; ++round) {
            Rig rig;
            rig.inner->before = [&, why = cause, wait = asked](Operation, const std::string& key) {
                if (++rig.calls <= 2) {
                    throw TransientError(why, wait, "the test's fault", key);
                }
            };
            RetryingStore store = rig.store();
            store.stat("x", {});
            REQUIRE(rig.time.pauses.size() == 2);
            CHECK(rig.time.pauses[0] >= asked);
            CHECK(rig.time.pauses[0] <= std::max(asked, 1.0));
            longest = std::max(longest, rig.time.pauses[0]);
        }
        CHECK(longest > 0.9); // (0.9^100 is below 10^-4)
    }
}

TEST_CASE("a store that is down is not asked by everybody as often as by one")
{
    Rig rig;
    rig.fail(1'000'000, ErrorCode::unavailable);
    RetryingStore store = rig.store();
    constexpr int operations_made = 50;
    for (int i = 0; i < operations_made; ++i) {
        CHECK(error_name_of([&] { store.stat("x", {}); }) == "unavailable");
    }
    CHECK(store.retries() == 200); // 1000 / 5
    CHECK(rig.calls == operations_made + 200);
    rig.inner->before = nullptr;
    for (int i = 0; i < 5; ++i) {
        store.stat("x", {});
    }
    rig.calls = 0;
    rig.fail(1, ErrorCode::unavailable);
    CHECK(
        error_name_of([&] { store.stat("x", {}); }).empty()); // it came back: once more is allowed
}

TEST_CASE("pauses are drawn below a bound that doubles to the longest")
{
    std::vector<double> longest(7);
    for (int round = 0; round < 200; ++round) {
        Rig rig;
        rig.fail(1000, ErrorCode::unavailable);
        RetryingStore store = rig.store();
        CHECK(error_of([&] { store.stat("x", {}); }));
        double bound = 0.2;
        REQUIRE(rig.time.pauses.size() == longest.size());
        for (std::size_t i = 0; i < longest.size(); ++i) {
            CHECK(rig.time.pauses[i] >= 0);
            CHECK(rig.time.pauses[i] <= bound);
            longest[i] = std::max(longest[i], rig.time.pauses[i] / bound);
            bound = std::min(bound * 2, 20.0);
        }
    }
    for (const double most : longest) {
        CHECK(most > 0.9); // (0.9^200 is below 10^-9)
    }
}

TEST_CASE("a create whose answer was lost has succeeded if its own bytes stand there")
{
    Rig rig;
    rig.fail(1, ErrorCode::unavailable, true);
    RetryingStore store = rig.store();
    store.create("config/1", seeded_bytes(1, 100'000), {});
    CHECK(get_object(*rig.disk, "config/1", 100'000, {}) == seeded_bytes(1, 100'000));
}

TEST_CASE("what may lie in an archive is not read back to see whose it is")
{
    Rig rig;
    rig.fail(1, ErrorCode::unavailable, true);
    RetryingStore store = rig.store();
    rig.inner->before = [](Operation operation, const std::string& key) {
        if (operation == Operation::get) {
            throw Error(ErrorCode::denied, "it lies in an archive", key);
        }
    };
    CHECK(error_name_of([&] { store.create_cold("packs/1", seeded_bytes(1, 100), {}); }) ==
          "exists");
    CHECK(error_name_of([&] { store.create("packs/1", seeded_bytes(1, 100), {}); }) == "exists");
}

TEST_CASE("a create that is tried again and meets other bytes has failed")
{
    for (const Bytes& other :
         {seeded_bytes(2, 100), seeded_bytes(1, 99), seeded_bytes(1, 101), Bytes()}) {
        CAPTURE(other.size());
        Rig rig;
        rig.inner->before = [&](Operation operation, const std::string& key) {
            if (operation == Operation::create && ++rig.calls == 1) {
                rig.disk->create(key, other, {});
                throw Error(ErrorCode::unavailable, "the test's fault");
            }
        };
        RetryingStore store = rig.store();
        CHECK(error_name_of([&] { store.create("config/1", seeded_bytes(1, 100), {}); }) ==
              "exists");
        CHECK(get_object(*rig.disk, "config/1", 200, {}) == other);
    }
}

TEST_CASE("a first create that meets its own bytes has failed: they are somebody else's")
{
    Rig rig;
    rig.disk->create("config/1", seeded_bytes(1, 100), {});
    RetryingStore store = rig.store();
    CHECK(error_name_of([&] { store.create("config/1", seeded_bytes(1, 100), {}); }) == "exists");
}

TEST_CASE("a create that is tried again and meets what has gone by then has failed")
{
    Rig rig;
    rig.inner->before = [&](Operation operation, const std::string& key) {
        if (operation == Operation::create && ++rig.calls == 1) {
            rig.disk->create(key, ByteSpan(), {});
            throw Error(ErrorCode::unavailable, "the test's fault");
        }
        if (operation == Operation::get) {
            rig.disk->remove(key, {});
        }
    };
    RetryingStore store = rig.store();
    CHECK(error_name_of([&] { store.create("config/1", seeded_bytes(1, 100), {}); }) == "exists");
}

TEST_CASE("a list that breaks off in the middle gives nothing twice")
{
    /// Fails after its second object, once.
    class BrokenList : public MemoryStore
    {
    public:
        bool broken = false;
        void list(const std::string& prefix, Freshness freshness,
                  const std::function<void(const ObjectInfo&)>& each,
                  const std::stop_token& stop) override
        {
            int given = 0;
            MemoryStore::list(
                prefix, freshness,
                [&](const ObjectInfo& info) {
                    if (++given == 3 && !broken) {
                        broken = true;
                        throw Error(ErrorCode::unavailable, "the test's fault");
                    }
                    each(info);
                },
                stop);
        }
    };
    const auto inner = std::make_shared<BrokenList>();
    for (const std::string key : {"a", "b", "c", "d"}) {
        inner->create(key, ByteSpan(), {});
    }
    FakeWaiting time;
    RetryingStore store(inner, RetryPolicy{}, {}, time.waiting());
    CHECK(keys_of(store, "") == std::vector<std::string>{"a", "b", "c", "d"});
    CHECK(inner->broken);
}

TEST_CASE("what a list's callback throws is not tried again")
{
    Rig rig;
    rig.disk->create("a", ByteSpan(), {});
    RetryingStore store = rig.store();
    int seen = 0;
    CHECK(error_name_of([&] {
              store.list("", Freshness::fresh,
                         [&](const ObjectInfo&) {
                             ++seen;
                             throw Error(ErrorCode::unavailable, "the caller's own");
                         },
                         {});
          }) == "unavailable");
    CHECK(seen == 1);
    CHECK(rig.time.pauses.empty());
}

TEST_CASE("uploads and downloads keep to their rates, failed attempts included")
{
    Rig rig;
    RetryingStore store = rig.store({1000, 500, 0});
    for (int i = 0; i < 10; ++i) {
        store.create("up/" + std::to_string(i), seeded_bytes(1, 1000), {});
    }
    CHECK(rig.time.now == doctest::Approx(10));
    rig.time.now = 1000;
    Bytes buffer(1000);
    for (int i = 0; i < 10; ++i) {
        CHECK(store.get("up/" + std::to_string(i), 0, buffer, {}) == 1000);
    }
    CHECK(rig.time.now == doctest::Approx(1000 + 20));
    rig.time.now = 2000;
    rig.time.pauses.clear();
    rig.fail(3, ErrorCode::unavailable);
    store.create("again", seeded_bytes(1, 100'000), {});
    CHECK(rig.time.now >= 2000 + 300);
}

TEST_CASE("a rate that is not set lets everything through at once")
{
    Rig rig;
    RetryingStore store = rig.store();
    store.create("a", seeded_bytes(1, 10 * MiB), {});
    CHECK(get_object(store, "a", 10 * MiB, {}).size() == 10 * MiB);
    CHECK(rig.time.pauses.empty());
}

TEST_CASE("no more operations run at once than allowed")
{
    class Counting : public MemoryStore
    {
    public:
        std::atomic<int> now{0};
        std::atomic<int> most{0};
        std::optional<ObjectInfo> stat(const std::string&, const std::stop_token&) override
        {
            const int running = ++now;
            int seen = most;
            while (running > seen && !most.compare_exchange_weak(seen, running)) {
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            --now;
            return std::nullopt;
        }
    };
    const auto inner = std::make_shared<Counting>();
    RetryingStore store(inner, RetryPolicy{}, {0, 0, 2});
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i) {
        threads.emplace_back([&store] {
            for (int round = 0; round < 5; ++round) {
                store.stat("x", {});
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(inner->most == 2);
}

TEST_CASE("a stop ends a pause, a wait for the rate and a wait for its turn at once")
{
    const auto stopped_after = [](const std::function<void(const std::stop_token&)>& body) {
        std::stop_source stop;
        std::thread stopper([&stop] {
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
            stop.request_stop();
        });
        const double before = monotonic_seconds();
        const std::string failure = error_name_of([&] { body(stop.get_token()); });
        stopper.join();
        CHECK(failure == "cancelled");
        return monotonic_seconds() - before;
    };
    const auto disk = std::make_shared<MemoryStore>();
    const auto inner = std::make_shared<HookedStore>(disk);

    inner->before = [](Operation, const std::string&) {
        throw Error(ErrorCode::unavailable, "the test's fault");
    };
    RetryingStore pausing(inner, RetryPolicy{1000, 1000, 1000}, {});
    CHECK(stopped_after([&](const std::stop_token& stop) { pausing.stat("x", stop); }) < 5);

    RetryingStore slow(disk, RetryPolicy{}, {1, 0, 0});
    CHECK(stopped_after([&](const std::stop_token& stop) {
              slow.create("a", seeded_bytes(1, 100), stop);
          }) < 5);
    CHECK_FALSE(disk->stat("a", {}));

    std::stop_source busy;
    inner->before = [&](Operation, const std::string&) {
        while (!busy.stop_requested()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    };
    RetryingStore narrow(inner, RetryPolicy{}, {0, 0, 1});
    std::thread first([&] { narrow.stat("x", {}); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(stopped_after([&](const std::stop_token& stop) { narrow.stat("y", stop); }) < 5);
    busy.request_stop();
    first.join();
}
