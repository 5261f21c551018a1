#include "base/farewell.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <thread>

using namespace backstay::core;
using namespace std::chrono_literals;

namespace
{

/// How long the tidying may go on, at most 5 s of it.
std::chrono::milliseconds time_left(const std::stop_token& tidying)
{
    const auto began = std::chrono::steady_clock::now();
    while (!tidying.stop_requested() && std::chrono::steady_clock::now() - began < 5s) {
        std::this_thread::sleep_for(1ms);
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 began);
}

void check_a_moment(const std::stop_token& tidying, std::chrono::milliseconds least)
{
    const std::chrono::milliseconds left = time_left(tidying);
    CHECK(left >= least);
    CHECK(left < 4s);
}

} // namespace

TEST_CASE("work that nobody stopped may take its time to tidy up")
{
    const std::stop_source work;
    Farewell farewell(work.get_token());
    const std::stop_token tidying = farewell.begin();
    std::this_thread::sleep_for(300ms);
    CHECK_FALSE(tidying.stop_requested());
}

TEST_CASE("work that was stopped has a moment to tidy up")
{
    std::stop_source work;
    Farewell farewell(work.get_token());
    SUBCASE("before it ended")
    {
        work.request_stop();
        check_a_moment(farewell.begin(), 50ms);
    }
    SUBCASE("long before it ended")
    {
        work.request_stop();
        std::this_thread::sleep_for(200ms);
        check_a_moment(farewell.begin(), 50ms);
    }
    SUBCASE("while it tidies up")
    {
        const std::stop_token tidying = farewell.begin();
        std::this_thread::sleep_for(50ms);
        CHECK_FALSE(tidying.stop_requested());
        work.request_stop();
        check_a_moment(tidying, 100ms);
    }
    SUBCASE("before it began")
    {
        std::stop_source early;
        early.request_stop();
        Farewell late(early.get_token());
        check_a_moment(late.begin(), 50ms);
    }
}

TEST_CASE("who has nothing to tidy up waits for nothing")
{
    std::stop_source work;
    const auto began = std::chrono::steady_clock::now();
    {
        const Farewell unused(work.get_token());
        Farewell quick(work.get_token());
        quick.begin();
    }
    CHECK(std::chrono::steady_clock::now() - began < 5s);
}
