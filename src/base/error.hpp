#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace backstay::core
{

/// What went wrong, as few kinds as callers tell apart. The numbers are the statuses of the C ABI.
enum class ErrorCode : std::int32_t {
    internal = -1,
    no_memory = -2,
    invalid = -3,
    unsupported = -4,
    closed = -5,
    reentrant = -6,
    forked = -7,
    cancelled = -8,
    host = -9,
    storage = -20,
    not_found = -21,
    exists = -22,
    busy = -23,
    denied = -24,
    damaged = -25,
    no_space = -26,
    unavailable = -27, ///< for now; the only one that is retried
    key = -28,         ///< the passphrase or key opens no slot
    fenced = -29,      ///< ended by a collector elsewhere
    conflict = -30,
    source = -31,
    target = -32,
};

/// "not-found" and so on: the word that `--json` and the C ABI use.
const char* error_code_name(ErrorCode code);

/// The one exception of the library: what (message), where (subject: a path, an object), and what
/// to do.
class Error : public std::runtime_error
{
public:
    Error(ErrorCode code, std::string message, std::string subject = {}, int system_error = 0);

    ErrorCode code() const { return code_; }
    const std::string& subject() const { return subject_; }
    /// errno of the failed system call, or 0.
    int system_error() const { return system_error_; }
    /// What a host's callback attached to its failure, or 0.
    std::uint64_t host_tag() const { return host_tag_; }
    void set_host_tag(std::uint64_t tag) { host_tag_ = tag; }

private:
    ErrorCode code_;
    std::string subject_;
    int system_error_;
    std::uint64_t host_tag_ = 0;
};

/// ENOSPC and EDQUOT are no_space, ENOENT not_found, EACCES, EPERM and EROFS denied, ENOMEM
/// no_memory, EEXIST exists, anything else `otherwise`.
ErrorCode code_of_system_error(int system_error, ErrorCode otherwise);

/// Throws the Error for a failed system call: `what` says what was tried ("cannot open"), the text
/// of `system_error` is added; its code is that of code_of_system_error().
[[noreturn]] void throw_system_error(int system_error, const std::string& what,
                                     const std::string& subject,
                                     ErrorCode otherwise = ErrorCode::storage);

} // namespace backstay::core
