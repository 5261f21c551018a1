#pragma once

#include "target/postgres/restore_options.hpp"
#include "target/target.hpp"

#include <memory>

namespace backstay::core
{

/// Restores databases that make_postgres_dump_source() saved, by pg_restore. The view's root is the
/// source's, or one database's folder.
///
/// A whole database, or a part of one into a database that is not there, is made under another name
/// and gets its own in commit(), in one transaction for all of them; what it replaces lives until
/// then. A part of one goes into a database that is there in one transaction. Only blocks of chosen
/// tables are read. Roles that are missing are made; none is changed or dropped. A restore that
/// fails or is cancelled leaves no database behind.
std::unique_ptr<Target> make_postgres_database_target(PostgresRestoreOptions options);

} // namespace backstay::core
