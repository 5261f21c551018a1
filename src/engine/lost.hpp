#pragma once

#include "base/error.hpp"

namespace backstay::core
{

/// Whether an error says that something of a snapshot cannot be had (any more): bad for whoever
/// reads it, no reason to end what merely looks at it.
inline bool means_lost(ErrorCode code)
{
    return code == ErrorCode::damaged || code == ErrorCode::not_found || code == ErrorCode::fenced;
}

} // namespace backstay::core
