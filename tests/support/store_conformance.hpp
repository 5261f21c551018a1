#pragma once

#include "base/error.hpp"
#include "store/object_store.hpp"
#include "support/sample_repository.hpp"
#include "support/seeded_bytes.hpp"

#include <algorithm>
#include <atomic>
#include <doctest/doctest.h>
#include <functional>
#include <latch>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace backstay::core
{

/// What every object store must pass. `empty_store` makes one that holds nothing; it is called
/// once for each run of each subcase.
struct StoreConformance {
    std::function<std::shared_ptr<ObjectStore>()> empty_store;
    std::size_t many_objects = 2500; ///< beyond what one page of a list holds
    std::size_t largest_object = 9 * MiB;
    std::size_t races = 20; ///< for one name

    void run() const
    {
        const std::shared_ptr<ObjectStore> store = empty_store();
        SUBCASE("what was created is had back, whole, whatever its size")
        {
            gives_back_every_size(*store);
        }
        SUBCASE("a get takes any part and is short only at the end")
        {
            gives_parts(*store);
        }
        SUBCASE("an object that is not there is not found")
        {
            knows_what_is_missing(*store);
        }
        SUBCASE("a name that is taken stays with its first bytes")
        {
            replaces_nothing(*store);
        }
        SUBCASE("of many creators of one name exactly one wins")
        {
            lets_one_win(*store);
        }
        SUBCASE("a removed name is free, and removing what is not there succeeds")
        {
            removes(*store);
        }
        SUBCASE("a list has what begins with the prefix, in the order of bytes")
        {
            lists_by_prefix(*store);
        }
        SUBCASE("a list of many objects is whole")
        {
            lists_many(*store);
        }
        SUBCASE("a list may be used to work on the store")
        {
            is_usable_from_a_list(*store);
        }
        SUBCASE("an exception out of a list's callback ends the list")
        {
            passes_on_what_a_callback_throws(*store);
        }
        SUBCASE("a key is a name below the store, never a way out of it")
        {
            refuses_tricky_keys(*store);
        }
        SUBCASE("every allowed character may stand in a key")
        {
            takes_every_allowed_key(*store);
        }
        SUBCASE("every operation that begins after a stop is cancelled")
        {
            stops_when_told(*store);
        }
        SUBCASE("a probe tells what is honoured and leaves nothing behind")
        {
            describes_itself(*store);
        }
        SUBCASE("an object's time is about now")
        {
            tells_the_time(*store);
        }
        SUBCASE("readers and writers share it between threads")
        {
            is_shared(*store);
        }
    }

private:
    static AlignedBuffer aligned(ByteSpan bytes)
    {
        AlignedBuffer buffer((bytes.size() / direct_io_alignment + 1) * direct_io_alignment);
        buffer.append(bytes);
        return buffer;
    }

    static std::vector<std::string> list(ObjectStore& store, const std::string& prefix,
                                         Freshness freshness = Freshness::fresh)
    {
        std::vector<std::string> keys;
        store.list(prefix, freshness, [&keys](const ObjectInfo& info) { keys.push_back(info.key); },
                   {});
        return keys;
    }

    void gives_back_every_size(ObjectStore& store) const
    {
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, std::size_t{4095}, std::size_t{4096},
              std::size_t{4097}, std::size_t{1 * MiB}, std::size_t{1 * MiB + 1}, largest_object,
              largest_object - 1}) {
            CAPTURE(size);
            const Bytes bytes = seeded_bytes(size + 1, size);
            const std::string key = "packs/ab/" + std::to_string(size);
            store.create(key, bytes, {});
            store.create(key + ".aligned", aligned(bytes), {});
            for (const std::string& name : {key, key + ".aligned"}) {
                const auto info = store.stat(name, {});
                REQUIRE(info);
                CHECK(info->key == name);
                CHECK(info->size == size);
                CHECK(get_object(store, name, size, {}) == bytes);
            }
        }
        CHECK(error_name_of([&] { get_object(store, "packs/ab/4096", 4095, {}); }) == "damaged");
    }

    static void gives_parts(ObjectStore& store)
    {
        const Bytes bytes = seeded_bytes(1, 100'000);
        store.create("a", bytes, {});
        SeededNumbers numbers(2);
        for (int i = 0; i < 50; ++i) {
            const auto offset = static_cast<std::size_t>(numbers.below(bytes.size() + 10));
            Bytes part(static_cast<std::size_t>(numbers.below(30'000)));
            CAPTURE(offset);
            CAPTURE(part.size());
            const std::size_t there =
                offset < bytes.size() ? std::min(part.size(), bytes.size() - offset) : 0;
            REQUIRE(store.get("a", offset, part, {}) == there);
            CHECK(std::equal(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(there),
                             bytes.begin() +
                                 static_cast<std::ptrdiff_t>(std::min(offset, bytes.size()))));
        }
        Bytes part(10);
        CHECK(store.get("a", bytes.size(), part, {}) == 0);
        CHECK(store.get("a", 5, MutableByteSpan{}, {}) == 0);
        for (const std::uint64_t far :
             {std::uint64_t{1} << 40U, std::uint64_t{1} << 63U,
              std::numeric_limits<std::uint64_t>::max(),
              std::uint64_t{std::numeric_limits<std::int64_t>::max()} - 3}) {
            CAPTURE(far);
            CHECK(store.get("a", far, part, {}) == 0);
        }
    }

    static void knows_what_is_missing(ObjectStore& store)
    {
        store.create("packs/ab/there", seeded_bytes(1, 10), {});
        Bytes buffer(10);
        // One that never was, one in a folder that is not there, a folder, and below an object.
        for (const std::string key : {"packs/ab/missing", "packs/cd/missing", "none", "packs/ab",
                                      "packs", "packs/ab/there/below"}) {
            CAPTURE(key);
            CHECK_FALSE(store.stat(key, {}));
            const auto error = error_of([&] { store.get(key, 0, buffer, {}); });
            REQUIRE(error);
            CHECK(error->code() == ErrorCode::not_found);
            CHECK(error->subject() == key);
            CHECK(error_name_of([&] { get_object(store, key, 100, {}); }) == "not-found");
        }
    }

    static void replaces_nothing(ObjectStore& store)
    {
        const Bytes first = seeded_bytes(1, 2 * MiB);
        const Bytes second = seeded_bytes(2, 2 * MiB);
        store.create("config/1", first, {});
        for (const Bytes& bytes : {second, first, Bytes()}) {
            const auto error = error_of([&] { store.create("config/1", bytes, {}); });
            REQUIRE(error);
            CHECK(error->code() == ErrorCode::exists);
            CHECK(error->subject() == "config/1");
            CHECK(error_name_of([&] { store.create("config/1", aligned(bytes), {}); }) == "exists");
        }
        CHECK(get_object(store, "config/1", 3 * MiB, {}) == first);
        CHECK(list(store, "") == std::vector<std::string>{"config/1"});
    }

    void lets_one_win(ObjectStore& store) const
    {
        constexpr std::size_t creators = 8;
        store.probe({});
        for (std::size_t round = 0; round < races; ++round) {
            CAPTURE(round);
            const std::string key = "gc/" + std::to_string(round);
            std::latch ready(creators);
            std::vector<std::string> outcomes(creators);
            std::vector<std::thread> threads;
            for (std::size_t i = 0; i < creators; ++i) {
                threads.emplace_back([&, i] {
                    const Bytes bytes = seeded_bytes(i, 1000 + i);
                    ready.arrive_and_wait();
                    outcomes[i] = error_name_of([&] { store.create(key, bytes, {}); });
                });
            }
            for (std::thread& thread : threads) {
                thread.join();
            }
            const auto winner = static_cast<std::size_t>(
                std::find(outcomes.begin(), outcomes.end(), "") - outcomes.begin());
            REQUIRE(winner < creators);
            CHECK(std::count(outcomes.begin(), outcomes.end(), "exists") == creators - 1);
            CHECK(get_object(store, key, 2000, {}) == seeded_bytes(winner, 1000 + winner));
        }
        CHECK(list(store, "").size() == races); // no loser left anything
    }

    static void removes(ObjectStore& store)
    {
        store.create("index/a", seeded_bytes(1, 10), {});
        store.create("index/b", seeded_bytes(2, 10), {});
        store.remove("index/a", {});
        CHECK_FALSE(store.stat("index/a", {}));
        CHECK(list(store, "") == std::vector<std::string>{"index/b"});
        for (const std::string key :
             {"index/a", "index/none", "other/none", "index", "index/b/c"}) {
            CAPTURE(key);
            CHECK(error_name_of([&] { store.remove(key, {}); }).empty());
        }
        CHECK(list(store, "") == std::vector<std::string>{"index/b"});
        store.create("index/a", seeded_bytes(3, 20), {});
        CHECK(get_object(store, "index/a", 100, {}) == seeded_bytes(3, 20));
    }

    static void lists_by_prefix(ObjectStore& store)
    {
        CHECK(list(store, "").empty());
        CHECK(list(store, "none/").empty());
        const std::vector<std::string> keys = {"a-b/1", "a.b/1", "a/1",  "a/10",  "a/2",
                                               "a/b/1", "a/b/2", "a0/1", "a_b/1", "b"};
        const std::set<std::string> shuffled(keys.rbegin(), keys.rend());
        std::uint64_t size = 0;
        for (const std::string& key : shuffled) {
            store.create(key, seeded_bytes(size, static_cast<std::size_t>(size)), {});
            ++size;
        }
        for (const std::string prefix : {"", "a", "a/", "a/1", "a/b", "a/b/", "a/b/1", "a/b/1x",
                                         "a0", "b", "b/", "c", "a//", "packs/"}) {
            CAPTURE(prefix);
            std::vector<std::string> expected;
            for (const std::string& key : keys) {
                if (key.starts_with(prefix)) {
                    expected.push_back(key);
                }
            }
            CHECK(list(store, prefix, Freshness::fresh) == expected);
            CHECK(list(store, prefix, Freshness::cached) == expected);
        }
        store.list(
            "", Freshness::fresh,
            [&](const ObjectInfo& info) { CHECK(info.size == store.stat(info.key, {})->size); },
            {});
    }

    void lists_many(ObjectStore& store) const
    {
        std::vector<std::string> keys;
        for (std::size_t i = 0; i < many_objects; ++i) {
            std::string number = std::to_string(i);
            number.insert(0, 8 - number.size(), '0');
            keys.push_back("many/" + number);
            store.create(keys.back(), ByteSpan(), {});
        }
        store.create("manz/x", ByteSpan(), {});
        CHECK(list(store, "many/") == keys);
        CHECK(list(store, "").size() == many_objects + 1);
        std::stop_source stop;
        std::size_t seen = 0;
        CHECK(error_name_of([&] {
                  store.list(
                      "many/", Freshness::fresh,
                      [&](const ObjectInfo&) {
                          if (++seen == 10) {
                              stop.request_stop();
                          }
                      },
                      stop.get_token());
              }) == "cancelled");
        CHECK(seen < many_objects);
    }

    static void is_usable_from_a_list(ObjectStore& store)
    {
        for (int i = 0; i < 10; ++i) {
            store.create("gc/" + std::to_string(i), seeded_bytes(1, 5), {});
        }
        std::size_t seen = 0;
        store.list("gc/", Freshness::fresh,
                   [&](const ObjectInfo& info) {
                       ++seen;
                       CHECK(get_object(store, info.key, 10, {}).size() == 5);
                       store.remove(info.key, {});
                   },
                   {});
        CHECK(seen == 10);
        CHECK(list(store, "").empty());
    }

    static void passes_on_what_a_callback_throws(ObjectStore& store)
    {
        store.create("a", ByteSpan(), {});
        store.create("b", ByteSpan(), {});
        int seen = 0;
        CHECK(error_name_of([&] {
                  store.list("", Freshness::fresh,
                             [&](const ObjectInfo&) {
                                 ++seen;
                                 throw Error(ErrorCode::damaged, "enough");
                             },
                             {});
              }) == "damaged");
        CHECK(seen == 1);
        CHECK(list(store, "").size() == 2);
    }

    static void refuses_tricky_keys(ObjectStore& store)
    {
        store.create("there", seeded_bytes(1, 10), {});
        const std::vector<std::string> tricks = {"",
                                                 ".",
                                                 "..",
                                                 "/",
                                                 "a/",
                                                 "/a",
                                                 "a//b",
                                                 "../a",
                                                 "a/../b",
                                                 "a/..",
                                                 "./a",
                                                 "a/.",
                                                 "tmp",
                                                 "tmp/a",
                                                 "A",
                                                 "a b",
                                                 "a\nb",
                                                 "a~",
                                                 "a%2fb",
                                                 "a\\b",
                                                 "a:b",
                                                 "ä",
                                                 std::string("a\0b", 3),
                                                 std::string("there\0", 6),
                                                 "there/",
                                                 "./there",
                                                 "/there",
                                                 "x/../there",
                                                 std::string(513, 'a'),
                                                 std::string(256, 'a'),
                                                 "/etc/passwd",
                                                 "../../../../etc/passwd"};
        Bytes buffer(10);
        for (const std::string& key : tricks) {
            CAPTURE(key);
            CHECK_FALSE(is_object_key(key));
            CHECK(error_name_of([&] { store.create(key, ByteSpan(), {}); }) == "invalid");
            CHECK_FALSE(store.stat(key, {}));
            CHECK(error_name_of([&] { store.get(key, 0, buffer, {}); }) == "not-found");
            CHECK(error_name_of([&] { store.remove(key, {}); }).empty());
        }
        for (const std::string prefix :
             {"..", "../", "/", "/etc/", "a/../", "./", "tmp", "tmp/", "there/../", "A"}) {
            CAPTURE(prefix);
            CHECK(list(store, prefix).empty());
        }
        CHECK(get_object(store, "there", 100, {}) == seeded_bytes(1, 10));
        CHECK(list(store, "") == std::vector<std::string>{"there"});
    }

    static void takes_every_allowed_key(ObjectStore& store)
    {
        const std::string longest_part(255, 'a');
        std::vector<std::string> keys = {"-",
                                         "...",
                                         "..a",
                                         ".hidden",
                                         "0123456789",
                                         "_",
                                         "a/tmp/b",
                                         "abcdefghijklmnopqrstuvwxyz/-_.",
                                         "tmp-a",
                                         longest_part,
                                         "b/" + longest_part + "/" + std::string(254, 'b')};
        CHECK(keys.back().size() == 512);
        for (const std::string& key : keys) {
            CAPTURE(key);
            CHECK(is_object_key(key));
            store.create(key, as_bytes(key), {});
        }
        for (const std::string& key : keys) {
            CAPTURE(key);
            CHECK(equal(get_object(store, key, 1000, {}), as_bytes(key)));
        }
        std::sort(keys.begin(), keys.end());
        CHECK(list(store, "") == keys);
    }

    static void stops_when_told(ObjectStore& store)
    {
        store.create("there", seeded_bytes(1, 10), {});
        std::stop_source source;
        source.request_stop();
        const std::stop_token stop = source.get_token();
        Bytes buffer(10);
        CHECK(error_name_of([&] { store.stat("there", stop); }) == "cancelled");
        CHECK(error_name_of([&] { store.get("there", 0, buffer, stop); }) == "cancelled");
        CHECK(error_name_of([&] { store.create("new", buffer, stop); }) == "cancelled");
        CHECK(error_name_of([&] { store.create("new", aligned(buffer), stop); }) == "cancelled");
        CHECK(error_name_of([&] { store.remove("there", stop); }) == "cancelled");
        CHECK(error_name_of([&] {
                  store.list(
                      "", Freshness::fresh, [](const ObjectInfo&) {}, stop);
              }) == "cancelled");
        CHECK(error_name_of([&] { store.probe(stop); }) == "cancelled");
        CHECK(error_name_of([&] { store.describe(stop); }) == "cancelled");
        CHECK(list(store, "") == std::vector<std::string>{"there"});
    }

    static void describes_itself(ObjectStore& store)
    {
        store.probe({});
        store.probe({});
        const StoreDescription description = store.describe({});
        CHECK_FALSE(description.kind.empty());
        CHECK_FALSE(description.uri.empty());
        CHECK(description.exclusive_create);
        CHECK(list(store, "").empty());
    }

    static void tells_the_time(ObjectStore& store)
    {
        const Timestamp before = system_clock().now();
        store.create("a", ByteSpan(), {});
        const auto info = store.stat("a", {});
        REQUIRE(info);
        constexpr std::int64_t skew = 300; // of a server's clock
        CHECK(info->modified.seconds >= before.seconds - skew);
        CHECK(info->modified.seconds <= system_clock().now().seconds + skew);
        store.list("", Freshness::fresh,
                   [&](const ObjectInfo& listed) {
                       CHECK(listed.modified.seconds == info->modified.seconds);
                   },
                   {});
    }

    static void is_shared(ObjectStore& store)
    {
        constexpr int workers = 4;
        constexpr int objects = 20;
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (int worker = 0; worker < workers; ++worker) {
            threads.emplace_back([&, worker] {
                for (int i = 0; i < objects; ++i) {
                    const std::string key = "w" + std::to_string(worker) + "/" + std::to_string(i);
                    const Bytes bytes = seeded_bytes(static_cast<std::uint64_t>(i), 3000);
                    const std::string failure = error_name_of([&] {
                        store.create(key, bytes, {});
                        wrong += get_object(store, key, 3000, {}) == bytes ? 0 : 1;
                        if (i % 2 == 1) {
                            store.remove(key, {});
                        }
                        list(store, "w");
                    });
                    wrong += failure.empty() ? 0 : 1;
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(wrong == 0);
        CHECK(list(store, "w").size() == workers * objects / 2);
    }
};

} // namespace backstay::core
