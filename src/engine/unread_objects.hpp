#pragma once

#include "base/error.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace backstay::core
{

/// Objects that a check passes over because the store does not hand them out: it denies them, as it
/// does what lies in an archive, or is not there for now. They may be whole: that is no damage.
/// Thread-safe.
class UnreadObjects
{
public:
    using Tell =
        std::function<void(const std::string& key, ErrorCode code, const std::string& message)>;
    explicit UnreadObjects(Tell tell) : tell_(std::move(tell)) {}

    /// Runs `read`; if the store does not hand out `key`, that is told and counted. Throws what
    /// else goes wrong, and the error of a store that was not there for many in a row.
    void pass_over(const std::string& key, const std::function<void()>& read);

    std::uint64_t count() const { return count_; }

private:
    Tell tell_;
    std::atomic<std::uint64_t> count_{0};
    std::atomic<int> unavailable_in_a_row_{0};
};

/// "ok", "problems" if all of them are objects that were not read, else "damaged".
const char* verdict_of(std::uint64_t problems, std::uint64_t unread);

} // namespace backstay::core
