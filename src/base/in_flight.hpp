#pragma once

#include "base/error.hpp"

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>

namespace backstay::core
{

/// Counts what is on its way, so that somebody can wait until nothing is. Thread-safe.
class InFlight
{
public:
    void begin()
    {
        const std::lock_guard lock(mutex_);
        ++count_;
    }
    void end()
    {
        {
            const std::lock_guard lock(mutex_);
            --count_;
        }
        none_.notify_all();
    }
    void wait(const std::stop_token& stop)
    {
        std::unique_lock lock(mutex_);
        if (!none_.wait(lock, stop, [this] { return count_ == 0; })) {
            throw Error(ErrorCode::cancelled, "cancelled");
        }
    }

private:
    std::mutex mutex_; // guards count_
    std::condition_variable_any none_;
    std::size_t count_ = 0;
};

} // namespace backstay::core
