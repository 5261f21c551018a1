#include "store/request_prices.hpp"
#include "support/sample_repository.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("a cost is that of its requests and of what was received")
{
    StoreTraffic traffic;
    traffic.writes = 32'768; // a tebibyte in packs of 32 MiB
    CHECK(estimate_cost(traffic, {}) == 163'840);
    traffic.reads = 1'000'000;
    CHECK(estimate_cost(traffic, {}) == 563'840);
    traffic.bytes_received = 10'000'000'000;
    CHECK(estimate_cost(traffic, {}) == 563'840 + 900'000);
    traffic.removes = 1'000'000; // free, and so is what is sent
    traffic.bytes_sent = 1'000'000'000'000;
    CHECK(estimate_cost(traffic, {}) == 563'840 + 900'000);
    CHECK(estimate_cost(traffic, parse_request_prices("0,2,0")) == 2'000'000);
}

TEST_CASE("prices are three numbers")
{
    const RequestPrices prices = parse_request_prices("1,2.5,0.01");
    CHECK(prices.million_writes == 1);
    CHECK(prices.million_reads == 2.5);
    CHECK(prices.gigabyte_received == doctest::Approx(0.01));
    for (const char* text : {"", "1", "1,2", "1,2,", "1,2,3,4", "1,2,x", "-1,2,3", "1,nan,3",
                             "1,2,inf", "1;2;3", "1,2,3 "}) {
        CAPTURE(text);
        CHECK(error_name_of([&] { parse_request_prices(text); }) == "invalid");
    }
}
