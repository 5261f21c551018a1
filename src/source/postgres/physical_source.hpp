#pragma once

#include "source/data_source.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace backstay::core
{

struct PostgresPhysicalOptions {
    std::string conninfo;         ///< see PostgresConnectOptions
    bool fast_checkpoint = false; ///< else spread over time, as the server's own checkpoints are
    std::uint64_t rate_kib = 0;   ///< a second at most; 0: no limit
    /// Have the server send what changed since the parent snapshot alone (17 and later, with
    /// summarize_wal). What comes out is a full backup. Where there is no parent that will do, all
    /// is sent, and the verdict's message says why.
    bool incremental = false;
};

/// A whole PostgreSQL cluster (13 and later, a primary or a standby) as it is on disk, by
/// BASE_BACKUP over two replication connections: one lane takes the files, the other the log from
/// the backup's beginning to its end, out of a temporary slot that was made before.
///
/// Entries: "data/…", "tablespaces/OID/…", "wal/SEGMENT", "backup_manifest". Relation files are cut
/// on a grid. The verdict is `damaged` if pages do not fit their checksums (each file is a problem
/// that names its blocks), `failed` unless the server's last word was good, the manifest agrees and
/// all of the log came. Its record has what a restore needs: docs/guides/postgresql.md.
std::unique_ptr<DataSource> make_postgres_physical_source(PostgresPhysicalOptions options);

} // namespace backstay::core
