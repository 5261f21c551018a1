#pragma once

#include <string>
#include <vector>

namespace backstay::core
{

/// A database of the snapshot, and its name on the server.
struct PostgresDatabaseMapping {
    std::string from;
    std::string to;
};
/// "A" or "A=B"; a name with '=' in it in double quotes. Throws Error{invalid}.
PostgresDatabaseMapping parse_postgres_mapping(const std::string& text);

struct PostgresRestoreOptions {
    std::string conninfo;                           ///< without a password
    std::vector<PostgresDatabaseMapping> databases; ///< empty: all, under their names
    std::vector<std::string> tables;                ///< TABLE or SCHEMA.TABLE
    std::vector<std::string> schemas;
    bool data_only = false;
    bool schema_only = false;
    unsigned jobs = 1; ///< connections that load one database
    bool owners = true;
    bool grants = true;
    bool roles = true;          ///< make those that are missing
    bool replace = false;       ///< databases and tables that are there
    std::string program_folder; ///< of pg_restore; empty: found

    bool is_selection() const { return !tables.empty() || !schemas.empty(); }
    /// Not whole databases: into those that are there, where they are.
    bool is_part() const { return is_selection() || data_only; }
};

} // namespace backstay::core
