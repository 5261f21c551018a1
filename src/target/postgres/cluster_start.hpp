#pragma once

#include "target/postgres/cluster_folder.hpp"

#include <stop_token>
#include <string>

namespace backstay::core
{

/// How a restored cluster is started.
struct ClusterStart {
    std::string program; ///< pg_ctl of the cluster's version
    std::string options; ///< of the server, as `pg_ctl -o` takes them: "-p 5433"
};

/// pg_ctl of exactly this major version. Throws Error{not_found, unsupported}.
std::string find_pg_ctl(const std::string& folder, int major, const std::stop_token& stop);

/// Starts a server on a cluster, as its owner, and waits until it takes connections: then it is
/// consistent, whatever is still to be recovered. Its messages go to "start.log" in the cluster's
/// folder. Throws Error{target} with the end of them, Error{cancelled}.
void start_cluster(const ClusterStart& start, const std::string& directory, const FileOwner& owner,
                   const std::stop_token& stop);

} // namespace backstay::core
