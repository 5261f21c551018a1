#pragma once

#include "postgres/recovery.hpp"
#include "target/postgres/cluster_layout.hpp"
#include "target/target.hpp"

#include <memory>
#include <string>

namespace backstay::core
{

struct PostgresDirectoryOptions {
    std::string directory; ///< absent or empty, unless `delta`
    bool delta = false;    ///< or it holds another state of the same cluster
    TablespaceMapping tablespaces;
    RecoveryOptions recovery;
    std::string owner; ///< USER or USER:GROUP; "": see docs/guides/postgresql.md
    unsigned threads = 2;
    bool start = false;         ///< start a server on it, and wait until it is consistent
    std::string start_options;  ///< see ClusterStart
    std::string program_folder; ///< of pg_ctl; "": found
};

/// Lays the cluster of a physical backup out in a folder, with its tablespaces and the log that
/// makes it consistent, so that a server started on it recovers as asked. Nothing that is there is
/// touched: folders must be absent or empty. The control file comes last, when all else is durable:
/// before that no server starts on it. What was not committed is removed.
///
/// With `delta` a folder may hold another state of the same cluster, on which no server runs: what
/// is equal is left, the rest rewritten in place or removed. What was not committed stays as it is,
/// without a control file, and the next restore with `delta` takes it up.
std::unique_ptr<Target> make_postgres_directory_target(PostgresDirectoryOptions options);

} // namespace backstay::core
