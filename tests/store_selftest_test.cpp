#include "engine/store_selftest.hpp"

#include "base/error.hpp"
#include "store/memory_store.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <vector>

namespace backstay::core
{

namespace
{

struct Outcome {
    std::string error;               ///< "": fit
    std::vector<std::string> failed; ///< names of tests
    std::uint64_t told = 0;
};

Outcome test(ObjectStore& store)
{
    Outcome outcome;
    JobContext context({}, [&outcome](const Record& record) {
        ++outcome.told;
        if (record.json().find("\"passed\":true") == std::string::npos) {
            outcome.failed.push_back(record.text("name"));
        }
    });
    try {
        run_store_selftest(store, context);
    } catch (const Error& error) {
        outcome.error = error.what();
    }
    return outcome;
}

std::size_t objects_in(ObjectStore& store)
{
    std::size_t count = 0;
    store.list("", Freshness::fresh, [&count](const ObjectInfo&) { ++count; }, {});
    return count;
}

/// Changes a byte of what is read behind the first kilobyte.
class RottenStore : public MemoryStore
{
public:
    std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                    const std::stop_token& stop) override
    {
        const std::size_t got = MemoryStore::get(key, offset, buffer, stop);
        if (got > 0 && offset > 1000) {
            buffer[0] ^= 1;
        }
        return got;
    }
};

/// Lists what was made long ago.
class LateStore : public MemoryStore
{
public:
    void list(const std::string& prefix, Freshness,
              const std::function<void(const ObjectInfo&)>& each, const std::stop_token&) override
    {
        if (prefix.empty()) {
            MemoryStore::list(prefix, Freshness::fresh, each, {});
        }
    }
};

/// Lets nothing go.
class HoldingStore : public MemoryStore
{
public:
    void remove(const std::string& key, const std::stop_token&) override
    {
        throw Error(ErrorCode::denied, "nothing may be removed here", key);
    }
};

/// Replaces what is there, and admits it.
class ReplacingStore : public MemoryStore
{
public:
    StoreDescription describe(const std::stop_token& stop) override
    {
        StoreDescription description = MemoryStore::describe(stop);
        description.exclusive_create = false;
        return description;
    }
    using MemoryStore::create;
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop) override
    {
        remove(key, stop);
        MemoryStore::create(key, object, stop);
    }
};

/// Says that it does not replace, and does.
class LyingStore : public ReplacingStore
{
public:
    StoreDescription describe(const std::stop_token& stop) override
    {
        return MemoryStore::describe(stop);
    }
};

} // namespace

TEST_CASE("a store that does what it must is fit, and nothing is left in it")
{
    MemoryStore store;
    const Outcome outcome = test(store);
    CHECK(outcome.error.empty());
    CHECK(outcome.failed.empty());
    CHECK(outcome.told == 7);
    CHECK(objects_in(store) == 0);
}

TEST_CASE("a store that replaces objects and says so is fit: collections want --alone there")
{
    ReplacingStore store;
    const Outcome outcome = test(store);
    CHECK(outcome.error.empty());
    CHECK(outcome.failed.empty());
}

TEST_CASE("a store that replaces objects and denies it is not fit")
{
    LyingStore store;
    CHECK(test(store).failed == std::vector<std::string>{"create only what is absent"});
    CHECK(objects_in(store) == 0);
}

TEST_CASE("a store that gives other bytes than it got is not fit")
{
    RottenStore store;
    const Outcome outcome = test(store);
    CHECK(outcome.error.find("not fit") != std::string::npos);
    CHECK(outcome.failed == std::vector<std::string>{"read parts"});
    CHECK(objects_in(store) == 0);
}

TEST_CASE("a store whose lists are late is not fit")
{
    LateStore store;
    CHECK(test(store).failed == std::vector<std::string>{"list at once"});
    CHECK(objects_in(store) == 0);
}

TEST_CASE("a store that lets nothing go is told, after everything else was tried")
{
    HoldingStore store;
    const Outcome outcome = test(store);
    CHECK(outcome.failed == std::vector<std::string>{"remove"});
    CHECK(outcome.told == 7);
}

} // namespace backstay::core
