#pragma once

#include "base/error.hpp"
#include "target/target.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace backstay::core
{

/// Counts what this user or this file system cannot do, so that it is told once a kind, not once an
/// entry. Thread-safe.
class Shortfalls
{
public:
    /// `what`: "the owner was not set". `system_error`: why, or 0.
    void add(const std::string& what, const std::string& path, int system_error);

    /// Tells everything that was added since the last call.
    void report(const TargetEvents& events);

private:
    struct Kind {
        std::uint64_t count = 0;
        std::string first_path;
        int system_error = 0;
    };
    std::mutex mutex_;
    std::map<std::string, Kind> kinds_; // guarded by mutex_
};

} // namespace backstay::core
