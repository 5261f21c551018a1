#include "target/descriptor_cache.hpp"

#include <atomic>
#include <deque>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <random>
#include <thread>

using namespace backstay::core;

namespace
{

FileDescriptor open_something()
{
    return FileDescriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

} // namespace

TEST_CASE("the descriptor that was not used for longest is closed first")
{
    DescriptorCache cache(2);
    DescriptorCache::Slot a(cache);
    DescriptorCache::Slot b(cache);
    DescriptorCache::Slot c(cache);
    cache.put(a, open_something());
    const int fd_b = cache.put(b, open_something())->get();
    CHECK(cache.find(a) != nullptr);
    cache.put(c, open_something());
    CHECK(cache.find(b) == nullptr);
    CHECK_FALSE(is_open(fd_b));
    CHECK(cache.find(a) != nullptr);
    CHECK(cache.find(c) != nullptr);
}

TEST_CASE("a descriptor in use stays open though the cache has let go of it")
{
    DescriptorCache cache(1);
    DescriptorCache::Slot a(cache);
    DescriptorCache::Slot b(cache);
    auto held = cache.put(a, open_something());
    const int fd = held->get();
    cache.put(b, open_something());
    CHECK(cache.find(a) == nullptr);
    CHECK(is_open(fd));
    held.reset();
    CHECK_FALSE(is_open(fd));
}

TEST_CASE("a slot that goes away takes its descriptor with it")
{
    DescriptorCache cache(4);
    int fd = -1;
    {
        DescriptorCache::Slot slot(cache);
        fd = cache.put(slot, open_something())->get();
        CHECK(is_open(fd));
    }
    CHECK_FALSE(is_open(fd));
    DescriptorCache::Slot other(cache);
    CHECK(cache.drop(other) == nullptr);
}

TEST_CASE("threads that share a cache get open descriptors only")
{
    DescriptorCache cache(8);
    std::deque<DescriptorCache::Slot> slots;
    for (int count = 0; count < 32; ++count) {
        slots.emplace_back(cache);
    }
    std::atomic<int> closed = 0;
    const auto work = [&](unsigned seed) {
        std::mt19937 random(seed);
        for (int round = 0; round < 5000; ++round) {
            DescriptorCache::Slot& slot = slots[random() % slots.size()];
            auto descriptor = cache.find(slot);
            if (!descriptor) {
                descriptor = cache.put(slot, open_something());
            }
            closed += is_open(descriptor->get()) ? 0 : 1;
        }
    };
    std::thread other(work, 1);
    work(2);
    other.join();
    CHECK(closed == 0);
}
