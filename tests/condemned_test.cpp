#include "repo/condemned.hpp"

#include "base/random.hpp"
#include "support/hooked_store.hpp"
#include "support/sample_repository.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;
using Operation = HookedStore::Operation;

TEST_CASE("a new repository has condemned nothing")
{
    SampleRepository sample;
    const Condemned condemned = read_condemned(*sample.repository, {});
    CHECK(condemned.packs.empty());
    CHECK(condemned.sessions.empty());
    CHECK(condemned.highest == 0);
}

TEST_CASE("what was ever condemned stays condemned, whoever condemned it")
{
    SampleRepository sample;
    const auto pack = random_id<PackId>();
    const auto other_pack = random_id<PackId>();
    const auto session = random_id<SessionId>();
    CHECK(condemn(*sample.repository, {pack}, {}, {}) == 1);
    const Condemned before = read_condemned(*sample.repository, {});
    CHECK(condemn(*open_sample(sample.store), {other_pack}, {session}, {}) == 2);
    const Condemned condemned = read_condemned(*sample.repository, {});
    CHECK(condemned.packs == decltype(condemned.packs){pack, other_pack});
    CHECK(condemned.sessions == decltype(condemned.sessions){session});
    CHECK(condemned.highest == 2);
    CHECK(condemned.digest != before.digest);
    CHECK(condemned.digest == read_condemned(*sample.repository, {}).digest);
}

TEST_CASE("two who condemn at the same time take different numbers")
{
    const auto hooked = std::make_shared<HookedStore>(std::make_shared<MemoryStore>());
    init_sample(hooked);
    const auto one = open_sample(hooked);
    const auto other = open_sample(hooked);
    const auto mine = random_id<PackId>();
    const auto theirs = random_id<PackId>();
    hooked->before = [&](Operation operation, const std::string&) {
        if (operation == Operation::create) { // the other is quicker
            hooked->before = {};
            CHECK(condemn(*other, {theirs}, {}, {}) == 1);
        }
    };
    CHECK(condemn(*one, {mine}, {}, {}) == 2);
    CHECK(read_condemned(*one, {}).packs.size() == 2);
}

TEST_CASE("a condemnation whose answer was lost is not made twice")
{
    const auto hooked = std::make_shared<HookedStore>(std::make_shared<MemoryStore>());
    init_sample(hooked);
    const auto repository = open_sample(hooked);
    hooked->after = [&](Operation operation, const std::string& key) {
        if (operation == Operation::create) {
            hooked->after = {};
            throw Error(ErrorCode::unavailable, "the line broke", key);
        }
    };
    CHECK(condemn(*repository, {random_id<PackId>()}, {}, {}) == 1);
    CHECK(keys_of(*hooked, "gc/").size() == 1);
}

TEST_CASE("nothing is decided while one condemnation cannot be read")
{
    SampleRepository sample;
    condemn(*sample.repository, {random_id<PackId>()}, {}, {});
    condemn(*sample.repository, {random_id<PackId>()}, {random_id<SessionId>()}, {});
    auto contents = contents_of(*sample.store);

    SUBCASE("any byte of it is altered")
    {
        const std::string key = condemnation_key(2);
        for (std::size_t i = 0; i < contents[key].size(); ++i) {
            CAPTURE(i);
            auto altered = contents;
            altered[key][i] ^= 0x41;
            const auto repository = open_sample(store_of(altered));
            const auto error = error_of([&] { read_condemned(*repository, {}); });
            REQUIRE(error);
            CHECK((error->code() == ErrorCode::damaged || error->code() == ErrorCode::unsupported));
            CHECK(error->subject() == key);
        }
    }
    SUBCASE("it is cut short")
    {
        const std::string key = condemnation_key(1);
        for (std::size_t size = 0; size < contents[key].size(); ++size) {
            CAPTURE(size);
            auto altered = contents;
            altered[key].resize(size);
            const auto repository = open_sample(store_of(altered));
            const auto error = error_of([&] { read_condemned(*repository, {}); });
            REQUIRE(error);
            CHECK(error->code() == ErrorCode::damaged);
            CHECK(error->subject() == key);
        }
    }
    SUBCASE("another stands under its name")
    {
        contents[condemnation_key(2)] = contents[condemnation_key(1)];
        const auto repository = open_sample(store_of(contents));
        const auto error = error_of([&] { read_condemned(*repository, {}); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::damaged);
        CHECK(error->subject() == condemnation_key(2));
    }
    SUBCASE("it is listed, but gone")
    {
        const auto hooked = std::make_shared<HookedStore>(store_of(contents));
        const auto repository = open_sample(hooked);
        hooked->before = [](Operation operation, const std::string& key) {
            if (operation != Operation::list && key == condemnation_key(1)) {
                throw Error(ErrorCode::not_found, "no such object", key);
            }
        };
        const auto error = error_of([&] { read_condemned(*repository, {}); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::damaged);
        CHECK(error->subject() == condemnation_key(1));
    }
}

TEST_CASE("condemnations that go while they are read are looked for again")
{
    const auto hooked = std::make_shared<HookedStore>(std::make_shared<MemoryStore>());
    init_sample(hooked);
    const auto repository = open_sample(hooked);
    const auto pack = random_id<PackId>();
    const auto other_pack = random_id<PackId>();
    condemn(*repository, {pack}, {}, {});
    condemn(*repository, {other_pack}, {}, {});
    hooked->before = [&](Operation operation, const std::string& key) {
        if (operation != Operation::list && key == condemnation_key(2)) {
            hooked->before = {};
            condemn(*repository, {pack, other_pack}, {}, {});
            hooked->remove(condemnation_key(1), {});
            hooked->remove(condemnation_key(2), {});
        }
    };
    const Condemned condemned = read_condemned(*repository, {});
    CHECK(condemned.packs == decltype(condemned.packs){pack, other_pack});
    CHECK(condemned.highest == 3);
}

TEST_CASE("a name that no condemnation has is nobody's business")
{
    SampleRepository sample;
    condemn(*sample.repository, {random_id<PackId>()}, {}, {});
    sample.store->create("gc/.nfs0001", as_bytes("x"), {});
    CHECK(read_condemned(*sample.repository, {}).packs.size() == 1);
    CHECK(condemn(*sample.repository, {random_id<PackId>()}, {}, {}) == 2);
}

TEST_CASE("condemnations come from the cache, and a spoilt cache does not matter")
{
    const TempDir dir;
    const auto hooked = std::make_shared<HookedStore>(std::make_shared<MemoryStore>());
    init_sample(hooked);
    const auto repository = open_sample(hooked, {dir / "cache", nullptr});
    const auto pack = random_id<PackId>();
    condemn(*repository, {pack}, {}, {});
    read_condemned(*repository, {});
    int gets = 0;
    hooked->before = [&](Operation operation, const std::string&) {
        gets += operation == Operation::get;
    };
    CHECK(read_condemned(*repository, {}).packs.contains(pack));
    CHECK(gets == 0);
    write_file(repository->cache_folder() + "/objects/gc+0000000000000001", "spoilt");
    CHECK(read_condemned(*repository, {}).packs.contains(pack));
    CHECK(gets > 0);
}
