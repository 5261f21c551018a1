#include "net/token_bucket.hpp"

#include <algorithm>
#include <limits>

namespace backstay::core
{

TokenBucket::TokenBucket(std::uint64_t bytes_per_second, double now)
{
    set_rate(bytes_per_second, now);
}

void TokenBucket::set_rate(std::uint64_t bytes_per_second, double now)
{
    fill(now);
    rate_ = static_cast<double>(bytes_per_second);
    // At most 200 steps a second, and bursts of a twentieth of a second.
    step_ = std::max(1024.0, rate_ / 200);
    capacity_ = std::max(4 * step_, rate_ / 20);
    tokens_ = std::min(tokens_, capacity_);
    filled_ = now;
}

void TokenBucket::fill(double now)
{
    tokens_ = std::min(capacity_, tokens_ + std::max(0.0, now - filled_) * rate_);
    filled_ = now;
}

std::size_t TokenBucket::available(double now)
{
    if (rate_ <= 0) {
        return std::numeric_limits<std::size_t>::max();
    }
    fill(now);
    return tokens_ < step_ ? 0 : static_cast<std::size_t>(tokens_);
}

void TokenBucket::take(std::size_t bytes)
{
    if (rate_ > 0) {
        tokens_ -= static_cast<double>(bytes);
    }
}

double TokenBucket::wait_seconds(double now)
{
    if (rate_ <= 0) {
        return 0;
    }
    fill(now);
    return std::max(0.0, (step_ - tokens_) / rate_);
}

} // namespace backstay::core
