#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// What of a server's roles is to be made on another one.
struct PostgresRolePlan {
    std::vector<std::string> created;    ///< names
    std::vector<std::string> statements; ///< in order
};

/// Of `globals` (what pg_dumpall --globals-only wrote) what concerns roles that are not in
/// `existing`: they are made with their attributes, settings, comments and memberships. Roles that
/// are there are left as they are; nothing is dropped. Tablespaces are none of this.
PostgresRolePlan plan_postgres_roles(std::string_view globals,
                                     const std::set<std::string>& existing);

} // namespace backstay::core
