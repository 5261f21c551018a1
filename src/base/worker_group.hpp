#pragma once

#include "base/thread.hpp"

#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// Owns the threads of one piece of work. The first exception in any of them stops the rest
/// (through stop_token()) and comes out of join(). Workers block all signals: those are the host's.
/// One thread at a time starts and joins.
class WorkerGroup
{
public:
    /// Stops when `parent` is stopped, too.
    explicit WorkerGroup(std::stop_token parent = {});
    /// Requests a stop and joins; an exception nobody fetched by join() is dropped.
    ~WorkerGroup();
    WorkerGroup(const WorkerGroup&) = delete;
    WorkerGroup& operator=(const WorkerGroup&) = delete;

    /// Starts a thread (`name`: at most 15 characters, for debuggers). `body` must come to its end
    /// soon after a stop.
    void start(const std::string& name, std::function<void(std::stop_token)> body);

    /// Waits for all; rethrows the first exception.
    void join();

    /// Records `error` as if a worker had thrown it, and stops the group. Thread-safe.
    void fail(std::exception_ptr error);

    std::stop_token stop_token() const { return stop_.get_token(); }
    void request_stop() { stop_.request_stop(); }

private:
    std::stop_source stop_;
    std::stop_callback<std::function<void()>> forward_;
    std::vector<Thread> threads_;
    std::mutex mutex_; // guards first_error_
    std::exception_ptr first_error_;
};

/// Throws Error{cancelled} if a stop was requested.
void throw_if_stopped(const std::stop_token& stop);

} // namespace backstay::core
