#pragma once

#include "base/thread.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>

namespace backstay::core
{

/// Bounds what work tidies up at its end, which is done although the work was stopped, but must not
/// keep whoever stopped it waiting for a server that does not answer: 10 s, and once the stop was
/// requested until 150 ms after it, or for 50 ms if that is later. Made when the work begins. One
/// thread at a time.
class Farewell
{
public:
    /// `work`: what stops the work.
    explicit Farewell(const std::stop_token& work);
    ~Farewell();
    Farewell(const Farewell&) = delete;
    Farewell& operator=(const Farewell&) = delete;

    /// Once, when the tidying begins: what stops it. Throws std::system_error if there can be no
    /// more threads.
    std::stop_token begin();

private:
    using Clock = std::chrono::steady_clock;

    void watch();
    void note_stop();

    std::mutex mutex_; // guards the two below
    std::optional<Clock::time_point> stopped_;
    bool done_ = false;
    std::condition_variable changed_;
    std::stop_source over_;
    Thread timer_;
    std::stop_callback<std::function<void()>> on_stop_; ///< last: it may run at once
};

} // namespace backstay::core
