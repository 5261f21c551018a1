#pragma once

#include "base/bounded_queue.hpp"
#include "base/error.hpp"

#include <optional>
#include <stop_token>
#include <utility>

namespace backstay::core
{

/// Hands out a fixed number of things and waits for them to come back. Thread-safe.
template <typename T>
class Pool
{
public:
    void put(T thing) { free_.push(std::move(thing)); }
    T take(const std::stop_token& stop)
    {
        std::optional<T> thing = free_.pop(stop);
        if (!thing) {
            throw Error(ErrorCode::cancelled, "cancelled");
        }
        return std::move(*thing);
    }

private:
    BoundedQueue<T> free_{1024};
};

} // namespace backstay::core
