#include "base/worker_group.hpp"

#include "base/error.hpp"

#include <atomic>
#include <csignal>
#include <doctest/doctest.h>
#include <pthread.h>

using namespace backstay::core;

namespace
{

void wait_for_stop(const std::stop_token& stop)
{
    while (!stop.stop_requested()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

} // namespace

TEST_CASE("join waits for every worker")
{
    std::atomic<int> done = 0;
    WorkerGroup workers;
    for (int i = 0; i < 8; ++i) {
        workers.start("worker", [&](const std::stop_token&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            ++done;
        });
    }
    workers.join();
    CHECK(done == 8);
    CHECK_FALSE(workers.stop_token().stop_requested());
}

TEST_CASE("the first exception stops the others and comes out of join, once")
{
    std::atomic<int> stopped = 0;
    WorkerGroup workers;
    for (int i = 0; i < 3; ++i) {
        workers.start("waits", [&](const std::stop_token& stop) {
            wait_for_stop(stop);
            ++stopped;
            throw Error(ErrorCode::cancelled, "stopped");
        });
    }
    workers.start("fails", [](const std::stop_token&) {
        throw Error(ErrorCode::no_space, "the disk is full");
    });
    try {
        workers.join();
        FAIL("no exception");
    } catch (const Error& e) {
        CHECK(e.code() == ErrorCode::no_space);
    }
    CHECK(stopped == 3);
    CHECK_NOTHROW(workers.join());
}

TEST_CASE("a stop of the parent reaches the workers, before their start too")
{
    std::stop_source parent;
    WorkerGroup early(parent.get_token());
    early.start("early", wait_for_stop);
    parent.request_stop();
    early.join();

    WorkerGroup late(parent.get_token());
    late.start("late", wait_for_stop);
    late.join();
    CHECK(late.stop_token().stop_requested());
}

TEST_CASE("a group that goes away stops and joins its workers")
{
    std::atomic<bool> ended = false;
    {
        WorkerGroup workers;
        workers.start("waits", [&](const std::stop_token& stop) {
            wait_for_stop(stop);
            ended = true;
            throw Error(ErrorCode::internal, "nobody fetches this");
        });
    }
    CHECK(ended);
}

TEST_CASE("a failure from outside counts like a worker's")
{
    WorkerGroup workers;
    workers.start("waits", wait_for_stop);
    workers.fail(std::make_exception_ptr(Error(ErrorCode::damaged, "from outside")));
    CHECK_THROWS_AS(workers.join(), Error);
}

TEST_CASE("workers block all signals and carry their name, the caller's mask stays")
{
    std::string name(16, '\0');
    bool blocked = false;
    WorkerGroup workers;
    std::atomic<bool> named = false;
    workers.start("a name that is too long", [&](const std::stop_token&) {
        while (!named) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        pthread_getname_np(pthread_self(), name.data(), name.size());
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1;
    });
    named = true; // start() has returned, so the thread has its name
    workers.join();
    CHECK(blocked);
    CHECK(std::string(name.c_str()) == "a name that is ");
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    CHECK(sigismember(&mask, SIGTERM) == 0);
}

TEST_CASE("a requested stop is thrown as cancelled")
{
    std::stop_source source;
    CHECK_NOTHROW(throw_if_stopped(source.get_token()));
    source.request_stop();
    try {
        throw_if_stopped(source.get_token());
        FAIL("no exception");
    } catch (const Error& e) {
        CHECK(e.code() == ErrorCode::cancelled);
    }
}
