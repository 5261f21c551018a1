#include "base/error.hpp"
#include "store/adaptive_gate.hpp"
#include "support/sample_repository.hpp"

#include <doctest/doctest.h>
#include <optional>
#include <thread>

using namespace backstay::core;

TEST_CASE("a complaint halves what may run, and successes let it grow again one by one")
{
    AdaptiveGate gate(0);
    for (int i = 0; i < 16; ++i) {
        gate.enter({});
    }
    CHECK(gate.limit() == 0);
    gate.throttled(100);
    CHECK(gate.limit() == 8);
    gate.throttled(100.5); // the others of that moment
    CHECK(gate.limit() == 8);
    gate.throttled(101.5);
    CHECK(gate.limit() == 4);
    for (int i = 0; i < 5; ++i) {
        gate.succeeded();
    }
    CHECK(gate.limit() == 5);
    for (int i = 0; i < 1000; ++i) {
        gate.succeeded();
    }
    CHECK(gate.limit() == 0); // as it was
    for (int i = 0; i < 16; ++i) {
        gate.leave();
    }
}

TEST_CASE("at least one may always run")
{
    AdaptiveGate gate(4);
    for (int i = 0; i < 20; ++i) {
        gate.throttled(i * 2.0);
    }
    CHECK(gate.limit() == 1);
    const GatePlace place(gate, {});
}

TEST_CASE("who waits at the gate goes in when another leaves, or is cancelled")
{
    AdaptiveGate gate(1);
    std::optional<GatePlace> place;
    place.emplace(gate, std::stop_token{});
    std::stop_source stop;
    std::string outcome;
    std::thread waits(
        [&] { outcome = error_name_of([&] { const GatePlace second(gate, stop.get_token()); }); });
    SUBCASE("leave")
    {
        place.reset();
        waits.join();
        CHECK(outcome.empty());
    }
    SUBCASE("stop")
    {
        stop.request_stop();
        waits.join();
        CHECK(outcome == "cancelled");
    }
}
