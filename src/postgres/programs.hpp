#pragma once

#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// One of PostgreSQL's client programs.
struct PostgresProgram {
    std::string path;
    std::string version; ///< "15.18"
    int major = 0;
};

/// "pg_dump (PostgreSQL) 15.18 (Debian …)" -> 15.18; major 0 if it is nothing of the kind.
PostgresProgram parse_postgres_version(const std::string& path, const std::string& output);

/// A program of at least this major version: in `folder` if one is named, else by PATH, else the
/// oldest that will do of those that packages install side by side. Throws Error{not_found}, or
/// Error{unsupported} that says which versions there are and which is needed.
PostgresProgram find_postgres_program(const std::string& name, const std::string& folder,
                                      int least_major, const std::stop_token& stop);

/// The conninfo for another database of the same server, as programs take it in an argument: with
/// TCP keepalives and a limit of the time to connect, unless it says otherwise. Throws
/// Error{invalid} if it cannot be read.
std::string postgres_conninfo_for(const std::string& conninfo, const std::string& database);

/// Whether it says which database.
bool names_postgres_database(const std::string& conninfo);

/// What PostgreSQL's programs are to find in their environment: messages in English.
std::vector<std::string> postgres_program_environment();

} // namespace backstay::core
