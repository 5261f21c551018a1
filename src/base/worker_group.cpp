#include "base/worker_group.hpp"

#include "base/error.hpp"

#include <utility>

namespace backstay::core
{

WorkerGroup::WorkerGroup(std::stop_token parent)
    : forward_(std::move(parent), [this] { stop_.request_stop(); })
{
}

WorkerGroup::~WorkerGroup()
{
    stop_.request_stop();
    for (Thread& thread : threads_) {
        thread.join();
    }
}

void WorkerGroup::start(const std::string& name, std::function<void(std::stop_token)> body)
{
    threads_.emplace_back(name, [this, body = std::move(body)] {
        try {
            body(stop_.get_token());
        } catch (...) {
            fail(std::current_exception());
        }
    });
}

void WorkerGroup::join()
{
    for (Thread& thread : threads_) {
        thread.join();
    }
    const std::lock_guard lock(mutex_);
    if (first_error_) {
        std::rethrow_exception(std::exchange(first_error_, nullptr));
    }
}

void WorkerGroup::fail(std::exception_ptr error)
{
    {
        const std::lock_guard lock(mutex_);
        if (!first_error_) {
            first_error_ = std::move(error);
        }
    }
    stop_.request_stop();
}

void throw_if_stopped(const std::stop_token& stop)
{
    if (stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "cancelled");
    }
}

} // namespace backstay::core
