#pragma once

#include "source/data_source.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace backstay::core
{

struct PostgresDumpOptions {
    std::string conninfo;                        ///< without a password
    std::vector<std::string> databases;          ///< empty: all but templates
    std::vector<std::string> exclude_databases;  ///< names; '*' and '?' stand for others
    std::vector<std::string> exclude_schemas;    ///< patterns as pg_dump takes them
    std::vector<std::string> exclude_tables;     ///< the same
    std::vector<std::string> exclude_table_data; ///< the same: defined, but empty
    std::string program_folder;                  ///< of pg_dump; empty: found
    bool role_passwords = true;
    unsigned jobs = 2; ///< databases at a time
    std::chrono::seconds lock_patience{300};
};

/// Databases of a PostgreSQL server by pg_dump, each in a state of its own moment: `globals.sql`
/// (roles, tablespaces), and for each database its name as a folder with `toc` (header and table of
/// contents) and `data/SCHEMA.TABLE`, the rows in COPY's text form (`data/large-objects`). An
/// archive that is not understood stays one stream, `archive`, which the verdict says.
///
/// open() connects first: version, rights, and whether there is a pg_dump that is new enough. A
/// pg_dump that fails ends the source; one that fails before it gave a byte (an object vanished
/// meanwhile) is begun again, three times in all.
std::unique_ptr<DataSource> make_postgres_dump_source(PostgresDumpOptions options);

} // namespace backstay::core
