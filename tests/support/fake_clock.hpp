#pragma once

#include "base/clock.hpp"

#include <mutex>

namespace backstay::core
{

/// A clock that stands until it is set. Thread-safe.
class FakeClock : public Clock
{
public:
    explicit FakeClock(Timestamp start = {1'764'000'000, 0}) : now_(start) {}

    Timestamp now() const override
    {
        const std::lock_guard lock(mutex_);
        return now_;
    }

    void set(Timestamp now)
    {
        const std::lock_guard lock(mutex_);
        now_ = now;
    }

    void advance(std::int64_t seconds)
    {
        const std::lock_guard lock(mutex_);
        now_.seconds += seconds;
    }

private:
    mutable std::mutex mutex_;
    Timestamp now_; // guarded by mutex_
};

} // namespace backstay::core
