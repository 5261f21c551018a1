#pragma once

#include "backstay.h"
#include "base/error.hpp"

#include <new>
#include <string>

struct backstay_error {
    backstay_status status;
    std::string message;
    std::string subject;
    int32_t system_error;
    uint64_t host_tag;
};

namespace backstay::capi
{

/// Makes the error object for R1, without throwing: where memory is short it is a static one.
/// Returns `status`.
backstay_status report(backstay_error** error, backstay_status status, const char* message,
                       const std::string* subject = nullptr, int32_t system_error = 0,
                       uint64_t host_tag = 0) noexcept;

/// How deep this thread is in callbacks of a host: most of the ABI is closed there (R6).
int& callback_depth() noexcept;

/// Turns whatever is being handled into a status and an error. Call from a catch block.
backstay_status report_current_exception(backstay_error** error) noexcept;

/// Throws Error{invalid} for NULL.
template <typename T>
T& need(T* handle, const char* name)
{
    if (handle == nullptr) {
        throw core::Error(core::ErrorCode::invalid, std::string(name) + " is NULL", name);
    }
    return *handle;
}

/// Runs `body` and turns whatever it throws into a status: nothing may unwind into C.
template <typename Body>
backstay_status guarded_in_callback(backstay_error** error, Body&& body) noexcept
{
    if (error != nullptr) {
        *error = nullptr;
    }
    try {
        return body(); // OK; DONE or PENDING where the caller pulls
    } catch (...) {
        return report_current_exception(error);
    }
}

/// The same for what a callback may not call.
template <typename Body>
backstay_status guarded(backstay_error** error, Body&& body) noexcept
{
    if (callback_depth() > 0) {
        return report(error, BACKSTAY_E_REENTRANT,
                      "this function may not be called inside a callback");
    }
    return guarded_in_callback(error, static_cast<Body&&>(body));
}

} // namespace backstay::capi
