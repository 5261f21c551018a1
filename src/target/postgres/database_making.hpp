#pragma once

#include "format/snapshot_view.hpp"
#include "postgres/archive_toc.hpp"
#include "target/postgres/restore_options.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// How a database is made: what pg_restore leaves to us.
struct PostgresDatabaseMaking {
    std::string create;                  ///< "CREATE DATABASE …" of any name; "" for a plain one
    std::string owner;                   ///< "": whoever makes it
    std::vector<std::string> properties; ///< settings, rights, comments, of any name
};

/// As its archive tells it.
PostgresDatabaseMaking making_of(const PostgresToc& contents,
                                 const PostgresRestoreOptions& options);

/// Of an archive that is not known: with the encoding that the source's record tells.
PostgresDatabaseMaking plain_making(SnapshotView& view, const std::string& name);

} // namespace backstay::core
