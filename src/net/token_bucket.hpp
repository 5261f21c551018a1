#pragma once

#include <cstddef>
#include <cstdint>

namespace backstay::core
{

/// So many bytes a second, measured in tokens that come with time. What is taken beyond them is a
/// debt, paid off before more is given. One thread at a time; `now` is monotonic_seconds().
class TokenBucket
{
public:
    /// A rate of 0 is no limit.
    explicit TokenBucket(std::uint64_t bytes_per_second = 0, double now = 0);

    void set_rate(std::uint64_t bytes_per_second, double now);

    /// How much may be taken now; 0 until there is enough to be worth a step.
    std::size_t available(double now);
    void take(std::size_t bytes);
    /// Until available() is not 0 any more.
    double wait_seconds(double now);

private:
    void fill(double now);

    double rate_ = 0;
    double step_ = 0;     // fewer tokens are not worth waking up for
    double capacity_ = 0; // what a quiet time can save up
    double tokens_ = 0;
    double filled_ = 0; // when
};

} // namespace backstay::core
