#pragma once

#include "base/error.hpp"

#include <optional>
#include <string>

namespace backstay::core
{

/// Error{unavailable} of a store that knows more about when to try again.
class TransientError : public Error
{
public:
    /// Why: the request or its answer was lost on the way, or there are too many of them.
    enum class Cause { lost, throttled };

    TransientError(Cause cause, std::optional<double> retry_after, std::string message,
                   std::string subject)
        : Error(ErrorCode::unavailable, std::move(message), std::move(subject)), cause_(cause),
          retry_after_(retry_after)
    {
    }

    Cause cause() const { return cause_; }
    /// Seconds that the server asks to wait.
    std::optional<double> retry_after() const { return retry_after_; }

private:
    Cause cause_;
    std::optional<double> retry_after_;
};

} // namespace backstay::core
