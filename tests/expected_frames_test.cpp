#include "repo/expected_frames.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "repo/object_keys.hpp"
#include "support/far_store.hpp"
#include "support/seeded_bytes.hpp"

#include <condition_variable>
#include <doctest/doctest.h>
#include <thread>

namespace backstay::core
{

namespace
{

constexpr std::size_t frame_size = 100'000;
constexpr std::uint32_t frames_in_pack = 40;

/// A pack of frames that lie one after another.
struct Sample {
    FarStore store;
    PackId pack = random_id<PackId>();
    Bytes bytes = seeded_bytes(1, frames_in_pack* frame_size);

    Sample() { store.create(pack_key(pack), bytes, {}); }

    ExpectedFrames::Frame frame(std::uint32_t number) const
    {
        return {{pack, number},
                {std::uint64_t{number} * frame_size, (std::uint64_t{number} + 1) * frame_size}};
    }
    std::vector<ExpectedFrames::Frame> frames(std::uint32_t begin, std::uint32_t end) const
    {
        std::vector<ExpectedFrames::Frame> some;
        for (std::uint32_t number = begin; number < end; ++number) {
            some.push_back(frame(number));
        }
        return some;
    }
    bool takes(ExpectedFrames& expected, std::uint32_t number,
               const std::stop_token& stop = {}) const
    {
        const auto taken = expected.take({pack, number}, stop);
        return taken && equal(*taken, ByteSpan(bytes).subspan(number * frame_size, frame_size));
    }
};

/// Lets everybody through once it is opened, or who is stopped.
class Gate
{
public:
    void pass(const std::stop_token& stop)
    {
        std::unique_lock lock(mutex_);
        arrived_ = true;
        changed_.notify_all();
        changed_.wait(lock, stop, [this] { return open_; });
        throw_if_stopped(stop);
    }
    void wait_for_somebody()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return arrived_; });
    }
    void open()
    {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

private:
    std::mutex mutex_; // guards the rest
    std::condition_variable_any changed_;
    bool arrived_ = false;
    bool open_ = false;
};

} // namespace

TEST_CASE("expected neighbours come in one read")
{
    Sample sample;
    ExpectedFrames expected(sample.store, 64 * MiB, 0);
    expected.expect(sample.frames(0, 20));
    expected.expect(sample.frames(20, 40)); // while nobody reads what came before
    for (std::uint32_t number = 0; number < 40; ++number) {
        CHECK(sample.takes(expected, number));
    }
    CHECK(sample.store.reads() == 1);
}

TEST_CASE("a small gap is read over, a large one is not, and one read is not too long")
{
    Sample sample;
    ExpectedFrames expected(sample.store, 8 * MiB, 0); // a MiB at once
    expected.expect({sample.frame(0), sample.frame(3), sample.frame(2)});
    expected.expect({sample.frame(10)});
    for (const std::uint32_t number : {3U, 10U, 0U, 2U}) {
        CHECK(sample.takes(expected, number));
    }
    CHECK(sample.store.reads() == 2);
    CHECK(sample.store.bytes() == 5 * frame_size);

    expected.expect(sample.frames(20, 40));
    for (std::uint32_t number = 20; number < 40; ++number) {
        CHECK(sample.takes(expected, number));
    }
    CHECK(sample.store.reads() == 4);
}

TEST_CASE("what is not expected is not given, and what was taken stays while there is room")
{
    Sample sample;
    ExpectedFrames expected(sample.store, 8 * MiB, 0);
    CHECK_FALSE(sample.takes(expected, 1));
    expected.expect({sample.frame(0)});
    CHECK_FALSE(sample.takes(expected, 1));
    const ByteSpan bytes(sample.bytes);
    const ByteSpan one = bytes.subspan(frame_size, frame_size);
    expected.keep(sample.frame(1), Bytes(one.begin(), one.end()));
    for (int i = 0; i < 2; ++i) {
        CHECK(sample.takes(expected, 0));
        CHECK(sample.takes(expected, 1));
    }
    CHECK(sample.store.reads() == 1);

    ExpectedFrames poor(sample.store, 8 * frame_size, 0);
    poor.expect(sample.frames(0, 20));
    for (std::uint32_t number = 0; number < 20; ++number) {
        CHECK(sample.takes(poor, number));
    }
    CHECK_FALSE(sample.takes(poor, 0));
    CHECK(sample.takes(poor, 19));
}

TEST_CASE("a read that fails, or comes short, leaves each frame to a read of its own")
{
    Sample sample;
    sample.store.before_read = [&](const std::stop_token&) {
        if (sample.store.reads() == 1) {
            throw Error(ErrorCode::unavailable, "the test's fault");
        }
    };
    ExpectedFrames expected(sample.store, 64 * MiB, 0);
    expected.expect(sample.frames(0, 3));
    CHECK_FALSE(sample.takes(expected, 0));
    CHECK_FALSE(sample.takes(expected, 1));
    CHECK(sample.store.reads() == 1);

    expected.expect({sample.frame(frames_in_pack - 1), sample.frame(frames_in_pack)});
    CHECK_FALSE(sample.takes(expected, frames_in_pack - 1));
    expected.expect({sample.frame(frames_in_pack - 1)});
    CHECK(sample.takes(expected, frames_in_pack - 1));
}

TEST_CASE("a frame that is being fetched is waited for and not fetched twice")
{
    Sample sample;
    Gate gate;
    sample.store.before_read = [&](const std::stop_token& stop) { gate.pass(stop); };
    ExpectedFrames expected(sample.store, 64 * MiB, 1);
    expected.expect(sample.frames(0, 3));
    gate.wait_for_somebody();
    bool taken = false;
    std::thread other([&] { taken = sample.takes(expected, 2); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    gate.open();
    CHECK(sample.takes(expected, 1));
    other.join();
    CHECK(taken);
    CHECK(sample.store.reads() == 1);
}

TEST_CASE("whoever waits for a frame can be cancelled, and the end ends reads under way")
{
    Sample sample;
    Gate gate;
    sample.store.before_read = [&](const std::stop_token& stop) { gate.pass(stop); };
    ExpectedFrames expected(sample.store, 64 * MiB, 1);
    expected.expect(sample.frames(0, 3));
    gate.wait_for_somebody();
    std::stop_source stop;
    std::thread canceller([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop.request_stop();
    });
    CHECK_FALSE(sample.takes(expected, 1, stop.get_token()));
    canceller.join();
}

TEST_CASE("what is fetched ahead stays within its room, and whoever waits gets some of it")
{
    Sample sample;
    constexpr std::size_t room = 16 * frame_size; // two frames at once, eight ahead
    ExpectedFrames expected(sample.store, room, 4);
    expected.expect(sample.frames(0, 40));
    for (int i = 0; i < 200 && sample.store.reads() < 4; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(sample.store.bytes() == room / 2);
    for (std::uint32_t number = 40; number-- > 0;) { // from behind, against the order
        CHECK(sample.takes(expected, number));
    }
    CHECK(sample.store.reads() <= 20 + 8); // some made room for others, once
}

TEST_CASE("what nobody takes is forgotten at last")
{
    Sample sample;
    ExpectedFrames expected(sample.store, 64 * MiB, 0);
    expected.expect({sample.frame(0)});
    std::vector<ExpectedFrames::Frame> others;
    for (std::uint32_t number = 0; number < 9000; ++number) {
        others.push_back({{random_id<PackId>(), 0}, {0, 1000}});
    }
    expected.expect(others);
    CHECK_FALSE(sample.takes(expected, 0));
    CHECK(sample.store.reads() == 0);
}

} // namespace backstay::core
