#include "base/farewell.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::chrono::seconds patience{10};
constexpr std::chrono::milliseconds after_a_stop{150};
constexpr std::chrono::milliseconds least{50};

} // namespace

Farewell::Farewell(const std::stop_token& work) : on_stop_(work, [this] { note_stop(); }) {}

Farewell::~Farewell()
{
    {
        const std::lock_guard lock(mutex_);
        done_ = true;
    }
    changed_.notify_all();
    timer_.join();
}

std::stop_token Farewell::begin()
{
    timer_ = Thread("farewell", [this] { watch(); });
    return over_.get_token();
}

void Farewell::note_stop()
{
    {
        const std::lock_guard lock(mutex_);
        stopped_ = Clock::now();
    }
    changed_.notify_all();
}

void Farewell::watch()
{
    const Clock::time_point began = Clock::now();
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, began + patience, [this] { return done_ || stopped_; });
    if (stopped_) {
        changed_.wait_until(lock, std::max(*stopped_ + after_a_stop, began + least),
                            [this] { return done_; });
    }
    if (!done_) {
        lock.unlock();
        over_.request_stop();
    }
}

} // namespace backstay::core
