#include "repo/heartbeat.hpp"

#include "base/error.hpp"
#include "repo/blob_index.hpp"

#include <condition_variable>
#include <mutex>

namespace backstay::core
{

namespace
{

/// False if a stop came first.
bool wait(std::chrono::milliseconds period, const std::stop_token& stop)
{
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, period, [] { return false; });
    return !stop.stop_requested();
}

} // namespace

Heartbeat::Heartbeat(Repository& repository, const SessionId& session, const std::stop_token& work,
                     std::chrono::milliseconds period)
    : repository_(repository), session_(session), farewell_(work)
{
    thread_.start("life", [this, period](const std::stop_token& stop) {
        while (wait(period, stop)) {
            say(stop);
        }
    });
}

Heartbeat::~Heartbeat()
{
    thread_.request_stop();
    try {
        thread_.join();
    } catch (const std::exception&) { // the session did without its signs
    }
    try {
        remove_last(farewell_.begin());
    } catch (const std::exception&) { // there can be no more threads: a collector will do it
    }
}

void Heartbeat::say(const std::stop_token& stop)
{
    try {
        const SegmentId sign =
            write_segment(repository_, session_, {}, {}, {}, std::nullopt, stop).id;
        if (last_ != sign) {
            remove_last(stop);
        }
        last_ = sign;
    } catch (const Error&) { // the next one may come through
    }
}

void Heartbeat::remove_last(const std::stop_token& stop) noexcept
{
    if (!last_) {
        return;
    }
    try {
        repository_.store().remove(segment_key(*last_), stop);
    } catch (const std::exception&) { // a collector will do it
    }
}

} // namespace backstay::core
