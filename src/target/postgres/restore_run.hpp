#pragma once

#include "target/postgres/saved_database.hpp"
#include "target/postgres/selection.hpp"
#include "target/target.hpp"

#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// One database's archive going through pg_restore.
struct PostgresRestoreRun {
    std::string program;               ///< pg_restore
    std::string conninfo;              ///< of the database that receives
    std::vector<std::string> switches; ///< "--no-owner"…
    unsigned jobs = 1;
    bool one_transaction = false; ///< nothing of it stays if it fails; one connection
};

/// Gives pg_restore the table of contents and the blocks of what was selected. With several jobs:
/// first the definitions, then the rows in as many streams, then indexes and keys in parallel.
/// Throws Error{target} with what pg_restore said, and whatever reading throws.
void restore_selection(const PostgresRestoreRun& run, SnapshotView& view,
                       const SavedDatabase& database, const PostgresToc& contents,
                       const PostgresSelection& selection, const TargetEvents& events,
                       const std::stop_token& stop);

/// The same for an archive that was kept as one stream: all of it.
void restore_archive(const PostgresRestoreRun& run, SnapshotView& view,
                     const SavedDatabase& database, const TargetEvents& events,
                     const std::stop_token& stop);

} // namespace backstay::core
