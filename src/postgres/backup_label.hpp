#pragma once

#include <string>
#include <string_view>

namespace backstay::core
{

inline constexpr std::size_t longest_backup_label = 64 * 1024;

/// The backup_label of an incremental backup without the lines that say it is one, as its files
/// need it once they are whole: a server refuses to start on the others.
std::string full_backup_label(std::string_view incremental);

} // namespace backstay::core
