#include "store/adaptive_gate.hpp"

#include "base/worker_group.hpp"

#include <algorithm>

namespace backstay::core
{

bool AdaptiveGate::has_room() const
{
    const bool below_most = most_ == 0 || running_ < most_;
    return below_most && (allowed_ == 0 || running_ < static_cast<std::uint32_t>(allowed_));
}

void AdaptiveGate::enter(const std::stop_token& stop)
{
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, stop, [this] { return has_room(); })) {
        throw_if_stopped(stop);
    }
    ++running_;
    most_running_ = std::max(most_running_, running_);
}

void AdaptiveGate::leave()
{
    {
        const std::lock_guard lock(mutex_);
        --running_;
    }
    changed_.notify_one();
}

void AdaptiveGate::succeeded()
{
    {
        const std::lock_guard lock(mutex_);
        if (allowed_ == 0) {
            return;
        }
        allowed_ += 1 / allowed_;
        if (allowed_ >= most_running_) {
            allowed_ = 0;
        }
    }
    changed_.notify_all();
}

void AdaptiveGate::throttled(double now)
{
    constexpr double one_complaint = 1.0;
    const std::lock_guard lock(mutex_);
    if (last_throttled_ >= 0 && now - last_throttled_ < one_complaint) {
        return;
    }
    last_throttled_ = now;
    const double ran = allowed_ == 0 ? running_ : allowed_;
    allowed_ = std::max(1.0, ran / 2);
}

std::uint32_t AdaptiveGate::limit() const
{
    const std::lock_guard lock(mutex_);
    return allowed_ == 0 ? most_ : static_cast<std::uint32_t>(allowed_);
}

} // namespace backstay::core
