#pragma once

#include "postgres/connection.hpp"
#include "target/postgres/saved_database.hpp"
#include "target/postgres/selection.hpp"
#include "target/target.hpp"

#include <stop_token>

namespace backstay::core
{

/// Compares the rows of every selected table, as COPY gives them, with what the snapshot has. A
/// table that differs is a problem.
void compare_rows(const PostgresConnectOptions& where, SnapshotView& view,
                  const SavedDatabase& database, const PostgresToc& contents,
                  const PostgresSelection& selection, const TargetEvents& events,
                  const std::stop_token& stop);

} // namespace backstay::core
