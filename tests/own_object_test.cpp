#include "repo/own_object.hpp"

#include "support/hooked_store.hpp"
#include "support/sample_repository.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;
using Operation = HookedStore::Operation;

namespace
{

/// Throws `code` at the first create only.
HookedStore::Hook fail_first_create(ErrorCode code)
{
    auto failed = std::make_shared<bool>(false);
    return [failed, code](Operation operation, const std::string& key) {
        if (operation == Operation::create && !*failed) {
            *failed = true;
            throw Error(code, "the line broke", key);
        }
    };
}

} // namespace

TEST_CASE("an object whose answer was lost is created once, and known to be one's own")
{
    HookedStore store(std::make_shared<MemoryStore>());
    SUBCASE("after it arrived")
    {
        store.after = fail_first_create(ErrorCode::unavailable);
    }
    SUBCASE("before it arrived")
    {
        store.before = fail_first_create(ErrorCode::unavailable);
    }
    CHECK(create_own(store, "a/b", as_bytes("mine"), {}));
    CHECK(equal(get_object(store, "a/b", 10, {}), as_bytes("mine")));
}

TEST_CASE("somebody else's object is told from one's own, whatever its length")
{
    for (const char* theirs : {"", "me", "MINE", "mine, and more"}) {
        CAPTURE(theirs);
        MemoryStore store;
        store.create("a/b", as_bytes(theirs), {});
        CHECK_FALSE(create_own(store, "a/b", as_bytes("mine"), {}));
    }
    MemoryStore store;
    store.create("a/b", as_bytes("mine"), {});
    CHECK(create_own(store, "a/b", as_bytes("mine"), {}));
}

TEST_CASE("an object that went away before it could be compared is somebody else's")
{
    HookedStore store(std::make_shared<MemoryStore>());
    store.create("a/b", as_bytes("mine"), {});
    SUBCASE("before its size was asked")
    {
        store.before = [&](Operation operation, const std::string& key) {
            if (operation == Operation::stat) {
                store.remove(key, {});
            }
        };
    }
    SUBCASE("before its bytes were asked")
    {
        store.before = [&](Operation operation, const std::string& key) {
            if (operation == Operation::get) {
                store.remove(key, {});
            }
        };
    }
    CHECK_FALSE(create_own(store, "a/b", as_bytes("mine"), {}));
}

TEST_CASE("a store that fails for good, or twice, says so")
{
    HookedStore store(std::make_shared<MemoryStore>());
    store.before = fail_first_create(ErrorCode::no_space);
    CHECK(error_name_of([&] { create_own(store, "a/b", as_bytes("mine"), {}); }) == "no-space");
    store.before = [](Operation operation, const std::string& key) {
        if (operation == Operation::create) {
            throw Error(ErrorCode::unavailable, "the line broke", key);
        }
    };
    CHECK(error_name_of([&] { create_own(store, "a/b", as_bytes("mine"), {}); }) == "unavailable");
}
