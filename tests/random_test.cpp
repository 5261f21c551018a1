#include "base/random.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace backstay::core;

TEST_CASE("random bytes fill all of the buffer, at any size")
{
    for (const std::size_t size : {1, 255, 256, 257, 5000}) {
        CAPTURE(size);
        Bytes seen(size);
        // A byte that stays zero in 20 fillings was not filled.
        for (int i = 0; i < 20; ++i) {
            Bytes bytes(size);
            fill_random(bytes);
            for (std::size_t at = 0; at < size; ++at) {
                seen[at] |= bytes[at];
            }
        }
        CHECK(std::count(seen.begin(), seen.end(), 0) == 0);
    }
    fill_random({});
}

TEST_CASE("random ids differ")
{
    std::set<SessionId> ids;
    for (int i = 0; i < 100; ++i) {
        ids.insert(random_id<SessionId>());
    }
    CHECK(ids.size() == 100);
}
