#include "repo/blob_table.hpp"

#include "base/random.hpp"

#include <doctest/doctest.h>

namespace backstay::core
{

TEST_CASE("an id is in the table once it was put there, however much the table has grown")
{
    BlobTable table;
    std::vector<BlobId> ids(10'000);
    for (BlobId& id : ids) {
        CHECK_FALSE(table.contains(id = random_id<BlobId>()));
        CHECK(table.insert(id));
        CHECK_FALSE(table.insert(id));
    }
    for (const BlobId& id : ids) {
        CHECK(table.contains(id));
    }
    CHECK(table.size() == ids.size());
    CHECK_FALSE(table.contains(random_id<BlobId>()));
}

TEST_CASE("an id whose first bytes are all zero is kept like any other")
{
    BlobTable table;
    BlobId id{};
    id.bytes.back() = 7;
    CHECK_FALSE(table.contains(id));
    CHECK(table.insert(id));
    CHECK_FALSE(table.insert(id));
    CHECK(table.contains(id));
}

} // namespace backstay::core
