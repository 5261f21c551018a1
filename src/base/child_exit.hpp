#pragma once

#include <optional>
#include <stop_token>
#include <sys/types.h>

namespace backstay::core
{

/// Waits until a child of this process has ended: true, and it is still to be reaped, so its number
/// and its group's stay its own. False on a stop (seen within 20 ms) or after `patience_ms`, if
/// given.
bool wait_for_exit(pid_t child, const std::stop_token& stop,
                   std::optional<int> patience_ms = std::nullopt);

/// Takes the status of a child that has ended, as waitpid does; waits if it has not.
int reap(pid_t child);

} // namespace backstay::core
