#pragma once

#include "postgres/programs.hpp"
#include "target/postgres/restore_options.hpp"
#include "target/postgres/roles.hpp"
#include "target/postgres/saved_database.hpp"
#include "target/postgres/selection.hpp"
#include "target/target.hpp"

#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// A database on its way from the snapshot to the server.
struct PostgresMove {
    SavedDatabase saved;
    std::string to;
    bool into_existing = false; ///< a part of it, into one that lives
    std::set<std::string> existing_schemas;
    std::string scratch; ///< made, and not renamed or dropped yet
    bool wanted = true;  ///< something of it was chosen

    const std::string& receiver() const { return into_existing ? to : scratch; }
};

struct PostgresRestorePlan {
    std::vector<PostgresMove> moves;
    PostgresRolePlan roles;
    PostgresProgram restore; ///< pg_restore

    /// Databases to work from: none that is renamed.
    std::vector<std::string> entrances() const;
};

/// What a restore will do, told step by step, conflicts too; changes nothing. Throws Error:
/// not_found (databases, tables, pg_restore), unsupported, and what connecting throws.
PostgresRestorePlan plan_postgres_restore(SnapshotView& view, const PostgresRestoreOptions& options,
                                          const TargetEvents& events, const std::stop_token& stop);

PostgresSelection select_for(const PostgresMove& move, const PostgresToc& contents,
                             const PostgresRestoreOptions& options);

} // namespace backstay::core
