#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>

namespace backstay::core
{

/// Hands values from some threads to others, at most `capacity` waiting. Thread-safe.
/// close() ends it: push() is refused, pop() gives what is left, then nothing.
template <typename T>
class BoundedQueue
{
public:
    explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

    /// Waits for room. False if the queue was closed or `stop` was requested: the value is dropped.
    bool push(T value, const std::stop_token& stop = {})
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, stop, [&] { return closed_ || values_.size() < capacity_; });
        if (closed_ || values_.size() >= capacity_) {
            return false;
        }
        values_.push_back(std::move(value));
        lock.unlock();
        changed_.notify_all();
        return true;
    }

    /// False if there is no room now, or the queue was closed.
    bool try_push(T value)
    {
        {
            const std::lock_guard lock(mutex_);
            if (closed_ || values_.size() >= capacity_) {
                return false;
            }
            values_.push_back(std::move(value));
        }
        changed_.notify_all();
        return true;
    }

    /// Empty if there is none now.
    std::optional<T> try_pop()
    {
        std::optional<T> value;
        {
            const std::lock_guard lock(mutex_);
            if (values_.empty()) {
                return value;
            }
            value = std::move(values_.front());
            values_.pop_front();
        }
        changed_.notify_all();
        return value;
    }

    /// Waits for a value. Empty once the queue is closed and drained, or `stop` was requested.
    std::optional<T> pop(const std::stop_token& stop = {})
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, stop, [&] { return closed_ || !values_.empty(); });
        if (values_.empty()) {
            return std::nullopt;
        }
        T value = std::move(values_.front());
        values_.pop_front();
        lock.unlock();
        changed_.notify_all();
        return value;
    }

    void close()
    {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        changed_.notify_all();
    }

private:
    const std::size_t capacity_;
    std::mutex mutex_;
    std::condition_variable_any changed_; // guards the three below
    std::deque<T> values_;
    bool closed_ = false;
};

} // namespace backstay::core
