#include "base/error.hpp"

#include <cerrno>
#include <fmt/core.h>
#include <system_error>

namespace backstay::core
{

const char* error_code_name(ErrorCode code)
{
    switch (code) {
    case ErrorCode::internal:
        return "internal";
    case ErrorCode::no_memory:
        return "no-memory";
    case ErrorCode::invalid:
        return "invalid";
    case ErrorCode::unsupported:
        return "unsupported";
    case ErrorCode::closed:
        return "closed";
    case ErrorCode::reentrant:
        return "reentrant";
    case ErrorCode::forked:
        return "forked";
    case ErrorCode::cancelled:
        return "cancelled";
    case ErrorCode::host:
        return "host";
    case ErrorCode::storage:
        return "storage";
    case ErrorCode::not_found:
        return "not-found";
    case ErrorCode::exists:
        return "exists";
    case ErrorCode::busy:
        return "busy";
    case ErrorCode::denied:
        return "denied";
    case ErrorCode::damaged:
        return "damaged";
    case ErrorCode::no_space:
        return "no-space";
    case ErrorCode::unavailable:
        return "unavailable";
    case ErrorCode::key:
        return "key";
    case ErrorCode::fenced:
        return "fenced";
    case ErrorCode::conflict:
        return "conflict";
    case ErrorCode::source:
        return "source";
    case ErrorCode::target:
        return "target";
    }
    return "unknown";
}

// std::runtime_error copies the message, whatever it is given.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
Error::Error(ErrorCode code, std::string message, std::string subject, int system_error)
    : std::runtime_error(message), code_(code), subject_(std::move(subject)),
      system_error_(system_error)
{
}

ErrorCode code_of_system_error(int system_error, ErrorCode otherwise)
{
    switch (system_error) {
    case ENOSPC:
    case EDQUOT:
        return ErrorCode::no_space;
    case ENOENT:
        return ErrorCode::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
        return ErrorCode::denied;
    case ENOMEM:
        return ErrorCode::no_memory;
    case EEXIST:
        return ErrorCode::exists;
    default:
        return otherwise;
    }
}

void throw_system_error(int system_error, const std::string& what, const std::string& subject,
                        ErrorCode otherwise)
{
    throw Error(code_of_system_error(system_error, otherwise),
                fmt::format("{}: {}", what, std::generic_category().message(system_error)), subject,
                system_error);
}

} // namespace backstay::core
