#pragma once

#include "target/archive_names.hpp"
#include "target/target.hpp"

#include <cstdint>
#include <stop_token>

namespace backstay::core
{

/// Reads an archive of `size` bytes at `offset` of a file again, and compares the members' kinds,
/// sizes and contents with the view; what differs is a problem. `members`: how many there should
/// be. Under Utf8Locale. Throws Error{cancelled, target}.
void compare_archive(int descriptor, std::uint64_t offset, std::uint64_t members,
                     SnapshotView& view, const ArchiveNames& names, const TargetEvents& events,
                     const std::stop_token& stop);

} // namespace backstay::core
