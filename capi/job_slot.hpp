#pragma once

#include "base/error.hpp"

#include <atomic>
#include <memory>

namespace backstay::capi
{

/// Of a source, which serves one job at a time, or of a target, which serves one and no other.
class JobSlot
{
public:
    /// Taken until all copies of what it returns are gone. Throws Error{busy} if it is taken.
    std::shared_ptr<void> take_for_a_while() const
    {
        take(core::ErrorCode::busy, "this source serves another job: wait for its end");
        return {taken_.get(), [taken = taken_](void*) { *taken = false; }};
    }
    /// For ever. Throws Error{invalid} if it is taken.
    void take_for_good() const
    {
        take(core::ErrorCode::invalid, "this target has served a job: open another one");
    }

private:
    void take(core::ErrorCode code, const char* message) const
    {
        if (taken_->exchange(true)) {
            throw core::Error(code, message);
        }
    }

    std::shared_ptr<std::atomic<bool>> taken_ = std::make_shared<std::atomic<bool>>(false);
};

} // namespace backstay::capi
