#include "base/bounded_queue.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <thread>
#include <vector>

using namespace backstay::core;

TEST_CASE("values come out in the order they went in, moved")
{
    BoundedQueue<std::unique_ptr<int>> queue(3);
    for (int i = 0; i < 3; ++i) {
        CHECK(queue.push(std::make_unique<int>(i)));
    }
    for (int i = 0; i < 3; ++i) {
        const auto value = queue.pop();
        REQUIRE(value);
        CHECK(**value == i);
    }
}

TEST_CASE("a closed queue refuses values and gives what is left, then nothing")
{
    BoundedQueue<int> queue(2);
    CHECK(queue.push(1));
    queue.close();
    CHECK_FALSE(queue.push(2));
    CHECK(queue.pop() == 1);
    CHECK_FALSE(queue.pop());
}

TEST_CASE("no more than its capacity waits in a queue, and nothing is lost between threads")
{
    constexpr int count = 5000;
    BoundedQueue<int> queue(4);
    std::vector<std::thread> writers;
    for (int writer = 0; writer < 2; ++writer) {
        writers.emplace_back([&queue, writer] {
            for (int i = writer; i < count; i += 2) {
                queue.push(i);
            }
        });
    }
    std::vector<int> seen(count);
    for (int i = 0; i < count; ++i) {
        const auto value = queue.pop();
        REQUIRE(value);
        ++seen[static_cast<std::size_t>(*value)];
    }
    for (std::thread& writer : writers) {
        writer.join();
    }
    CHECK(seen == std::vector<int>(count, 1));
}

TEST_CASE("a stop or a close wakes those who wait")
{
    BoundedQueue<int> full(1);
    full.push(1);
    BoundedQueue<int> empty(1);
    std::stop_source stop;
    bool pushed = true;
    bool popped = true;
    std::thread writer([&] { pushed = full.push(2, stop.get_token()); });
    std::thread reader([&] { popped = empty.pop(stop.get_token()).has_value(); });
    stop.request_stop();
    writer.join();
    reader.join();
    CHECK_FALSE(pushed);
    CHECK_FALSE(popped);

    std::thread last([&] { pushed = full.push(3); });
    full.close();
    last.join();
    CHECK_FALSE(pushed);
    CHECK(full.pop() == 1);
    CHECK_FALSE(full.pop());
}
