#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace backstay::core
{

/// How many operations run at once: as many as allowed, fewer after the store complained of too
/// many (half of what ran), then more again, one for every round of successes. Thread-safe.
class AdaptiveGate
{
public:
    /// `most` 0: any number.
    explicit AdaptiveGate(std::uint32_t most) : most_(most) {}

    /// Waits for a place. Throws Error{cancelled} on a stop.
    void enter(const std::stop_token& stop);
    void leave();

    void succeeded();
    /// The store asks for less; `now` in seconds. Complaints within a second are one.
    void throttled(double now);

    /// At once, at the moment; 0: any number.
    std::uint32_t limit() const;

private:
    bool has_room() const;

    const std::uint32_t most_;
    mutable std::mutex mutex_; // guards all below
    std::condition_variable_any changed_;
    std::uint32_t running_ = 0;
    std::uint32_t most_running_ = 0; ///< where growing ends if any number is allowed
    double allowed_ = 0;             ///< 0: not throttled
    double last_throttled_ = -1;
};

/// Holds a place at a gate.
class GatePlace
{
public:
    GatePlace(AdaptiveGate& gate, const std::stop_token& stop) : gate_(gate) { gate.enter(stop); }
    ~GatePlace() { gate_.leave(); }
    GatePlace(const GatePlace&) = delete;
    GatePlace& operator=(const GatePlace&) = delete;

private:
    AdaptiveGate& gate_;
};

} // namespace backstay::core
