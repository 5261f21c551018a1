#include "store/local_store.hpp"
#include "store/memory_store.hpp"
#include "store/retrying_store.hpp"
#include "support/store_conformance.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

std::shared_ptr<ObjectStore> retrying(std::shared_ptr<ObjectStore> inner)
{
    return std::make_shared<RetryingStore>(std::move(inner), RetryPolicy{},
                                           RetryingStore::Limits{0, 0, 3});
}

std::shared_ptr<ObjectStore> local(const TempDir& folder, HardLinks links)
{
    return std::make_shared<LocalStore>(folder / "store", LocalStore::Mode::create, links);
}

} // namespace

TEST_CASE("a memory store is an object store")
{
    StoreConformance{[] { return std::make_shared<MemoryStore>(); }}.run();
}

TEST_CASE("a memory store that is retried is an object store")
{
    StoreConformance{[] { return retrying(std::make_shared<MemoryStore>()); }}.run();
}

TEST_CASE("a local store that links is an object store")
{
    const TempDir folder; // on a disk, where a sync takes its time: few objects
    StoreConformance suite{[&] { return local(folder, HardLinks::use); }};
    suite.many_objects = 100;
    suite.races = 3;
    suite.run();
}

TEST_CASE("a local store that renames is an object store")
{
    const TempDir folder(quick_folder());
    StoreConformance{[&] { return local(folder, HardLinks::avoid); }}.run();
}

TEST_CASE("a local store that is retried is an object store")
{
    const TempDir folder(quick_folder());
    StoreConformance{[&] { return retrying(local(folder, HardLinks::use)); }}.run();
}
