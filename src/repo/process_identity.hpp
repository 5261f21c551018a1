#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace backstay::core
{

/// This host's name.
std::string host_name();

/// What tells this boot of this host, and the namespace its process ids belong to, from every other
/// ("" if the system does not say).
std::string boot_id();

/// When a process started, in clock ticks since boot, so that a process id used again is not taken
/// for it. Empty if the system does not say.
std::optional<std::uint64_t> process_start(std::uint64_t process);

/// Whether the process that had this id and start (0: not known) has ended. False where the system
/// does not say.
bool process_has_ended(std::uint64_t process, std::uint64_t start);

} // namespace backstay::core
