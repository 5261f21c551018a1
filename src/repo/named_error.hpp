#pragma once

#include "base/error.hpp"

#include <string>
#include <utility>

namespace backstay::core
{

/// Runs `body`, which decodes or opens what lies under `name`, and adds the name to an error that
/// has none: decoders know bytes only.
template <typename Body>
auto naming(const std::string& name, Body&& body)
{
    try {
        return std::forward<Body>(body)();
    } catch (const Error& error) {
        if (!error.subject().empty()) {
            throw;
        }
        throw Error(error.code(), name + ": " + error.what(), name, error.system_error());
    }
}

/// Whether this object alone cannot be used, whatever else can: it is damaged, needs a newer
/// program, or is not for this key. Not that it is missing, nor that the store failed for now.
inline bool is_unreadable(const Error& error)
{
    switch (error.code()) {
    case ErrorCode::damaged:
    case ErrorCode::unsupported:
    case ErrorCode::denied:
    case ErrorCode::storage:
        return true;
    default:
        return false;
    }
}

} // namespace backstay::core
