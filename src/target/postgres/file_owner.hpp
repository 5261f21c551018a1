#pragma once

#include <optional>
#include <string>
#include <sys/types.h>

namespace backstay::core
{

/// Whom files are given to; only root can give.
struct FileOwner {
    uid_t user = 0;
    gid_t group = 0;
    bool is_given = false; ///< false: files stay the process's
};

/// "USER", "USER:GROUP"; names or numbers. Throws Error{invalid} if there is no such account.
FileOwner parse_file_owner(const std::string& text);

/// Of an account by its name; empty if there is none.
std::optional<FileOwner> find_file_owner(const std::string& name);

} // namespace backstay::core
