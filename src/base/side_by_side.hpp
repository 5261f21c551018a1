#pragma once

#include "base/worker_group.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// Calls `each(at, own, stop)` for 0 to `count` - 1 on up to `threads` threads (`name` as for
/// WorkerGroup); `own` is what `make_own()` gave that thread. Throws the first exception of any;
/// the rest is then left.
template <typename MakeOwn, typename Each>
void side_by_side_with(const std::string& name, std::size_t count, unsigned threads,
                       const std::stop_token& stop, MakeOwn&& make_own, Each&& each)
{
    std::atomic<std::size_t> next{0};
    WorkerGroup group(stop);
    for (std::size_t i = 0; i < std::min<std::size_t>(threads, count); ++i) {
        group.start(name, [&](const std::stop_token& stopped) {
            auto own = make_own();
            for (std::size_t at = next++; at < count; at = next++) {
                throw_if_stopped(stopped);
                each(at, own, stopped);
            }
        });
    }
    group.join();
    throw_if_stopped(stop);
}

/// Calls `each(at, stop)` for 0 to `count` - 1 on up to `threads` threads (`name` as for
/// WorkerGroup). Throws the first exception of any; the rest is then left.
template <typename Each>
void side_by_side(const std::string& name, std::size_t count, unsigned threads,
                  const std::stop_token& stop, Each&& each)
{
    side_by_side_with(
        name, count, threads, stop, [] { return 0; },
        [&each](std::size_t at, int& /*own*/, const std::stop_token& stopped) {
            each(at, stopped);
        });
}

} // namespace backstay::core
