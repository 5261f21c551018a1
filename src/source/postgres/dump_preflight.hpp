#pragma once

#include "postgres/programs.hpp"
#include "source/postgres/dump_source.hpp"

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// A database to dump.
struct PostgresDatabase {
    std::string name;
    std::uint64_t bytes = 0; ///< as the server counts, indexes and all
    std::string encoding;
};

/// What is known of the server before anything starts.
struct PostgresDumpPlan {
    std::string server_version;
    int server_major = 0;
    PostgresProgram dump;
    PostgresProgram dump_globals;
    bool role_passwords = true;              ///< may be read, and are wanted
    bool passwords_denied = false;           ///< wanted, but may not be read
    std::vector<PostgresDatabase> databases; ///< the largest first
};

/// Throws Error: not_found (a database, a program), unsupported (versions), denied (rights), and
/// what connecting throws.
PostgresDumpPlan plan_postgres_dump(const PostgresDumpOptions& options,
                                    const std::stop_token& stop);

bool has_postgres_database(const PostgresDumpOptions& options, const std::string& name,
                           const std::stop_token& stop);

} // namespace backstay::core
