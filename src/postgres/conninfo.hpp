#pragma once

#include <string>

namespace backstay::core
{

/// Throws Error{invalid} if it cannot be read, or if it holds a password, which other users of the
/// machine could see in a list of processes, and says where a password may stand instead.
void check_postgres_conninfo(const std::string& conninfo);

/// "host:port/database" for messages, as far as the conninfo says it itself.
std::string postgres_server_name(const std::string& conninfo);

} // namespace backstay::core
