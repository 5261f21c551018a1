#include "postgres/backup_label.hpp"

#include <algorithm>

namespace backstay::core
{

std::string full_backup_label(std::string_view incremental)
{
    std::string full;
    while (!incremental.empty()) {
        const std::size_t newline = incremental.find('\n');
        const std::string_view line =
            incremental.substr(0, newline == std::string_view::npos ? newline : newline + 1);
        if (!line.starts_with("INCREMENTAL FROM ")) { // "… LSN: " and "… TLI: "
            full += line;
        }
        incremental.remove_prefix(line.size());
    }
    return full;
}

} // namespace backstay::core
