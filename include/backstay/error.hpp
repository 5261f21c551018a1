#pragma once

#include <backstay/backstay.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace backstay
{

/// A failure of the library: what, where and what to do. `status` is one of BACKSTAY_E_*.
class Error : public std::runtime_error
{
public:
    Error(backstay_status status, const std::string& message, std::string subject = {},
          std::uint64_t host_tag = 0)
        : std::runtime_error(message), status_(status), subject_(std::move(subject)),
          host_tag_(host_tag)
    {
    }
    backstay_status status() const { return status_; }
    /// "not-found" and so on.
    std::string code() const { return backstay_status_name(status_); }
    /// The path or object it is about; may be empty.
    const std::string& subject() const { return subject_; }
    std::uint64_t host_tag() const { return host_tag_; }

private:
    backstay_status status_;
    std::string subject_;
    std::uint64_t host_tag_;
};

namespace detail
{

/// Collects a call's error object: `check(backstay_x(..., failure.out()), failure)`.
class Failure
{
public:
    Failure() = default;
    ~Failure() { backstay_error_free(error_); }
    Failure(const Failure&) = delete;
    Failure& operator=(const Failure&) = delete;
    backstay_error** out() { return &error_; }
    [[noreturn]] void raise(backstay_status status) const
    {
        std::size_t length = 0;
        const char* subject = backstay_error_subject(error_, &length);
        const char* message =
            error_ != nullptr ? backstay_error_message(error_) : backstay_status_name(status);
        throw Error(status, message, std::string(subject, length), backstay_error_host_tag(error_));
    }

private:
    backstay_error* error_ = nullptr;
};

/// Passes OK, DONE and PENDING on; throws Error for failures.
inline backstay_status check(backstay_status status, const Failure& failure)
{
    if (status < 0) {
        failure.raise(status);
    }
    return status;
}

} // namespace detail
} // namespace backstay
