#pragma once

#include "repo/repository.hpp"

#include <stop_token>

namespace backstay::core
{

/// Probes the store. Throws Error{unsupported} if create-if-absent is not honoured there and the
/// operator did not say that nobody else writes: protocol.md.
void demand_right_to_collect(Repository& repository, bool alone, const char* operation,
                             const std::stop_token& stop);

} // namespace backstay::core
