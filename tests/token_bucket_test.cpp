#include "net/token_bucket.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("a bucket gives its rate over time, whatever the steps")
{
    TokenBucket bucket(1'000'000, 0);
    double now = 0;
    std::size_t given = 0;
    while (now < 10) {
        if (const std::size_t some = bucket.available(now); some > 0) {
            bucket.take(16'384); // more than there is: a debt
            given += 16'384;
        }
        now += bucket.wait_seconds(now) + 1e-6;
    }
    CHECK(given > 9'800'000);
    CHECK(given < 10'200'000);
}

TEST_CASE("a quiet hour saves up no more than a short burst")
{
    TokenBucket bucket(1'000'000, 0);
    CHECK(bucket.available(0) == 0);
    CHECK(bucket.available(3600) <= 50'000);
    CHECK(bucket.available(3600) > 0);
}

TEST_CASE("no rate is no limit, and a change counts from now on")
{
    TokenBucket bucket;
    CHECK(bucket.available(5) > 1'000'000'000);
    bucket.take(1'000'000);
    CHECK(bucket.wait_seconds(5) == 0);
    bucket.set_rate(1000, 5);
    CHECK(bucket.available(5) == 0);
    CHECK(bucket.wait_seconds(5) > 0.5);
    bucket.set_rate(0, 6);
    CHECK(bucket.available(6) > 1'000'000'000);
}
