#pragma once

#include "base/clock.hpp"
#include "postgres/cluster_record.hpp"

#include <optional>
#include <string>

namespace backstay::core
{

/// Up to where a restored cluster recovers; at most one of the targets.
struct RecoveryOptions {
    std::optional<Timestamp> time;
    std::string log_position;    ///< "0/3000028"
    std::string transaction;     ///< its number
    std::string name;            ///< of a restore point
    bool immediate = false;      ///< as soon as the cluster is consistent
    std::string timeline;        ///< a number, "latest" or "current"; "": the server's default
    std::string restore_command; ///< gets log that the snapshot does not have; "": nothing does
    bool keep_archiving = false; ///< else archive_mode is turned off
};

/// Throws Error{invalid} for options that contradict each other or cannot be read, and for a target
/// that this backup cannot reach, and says which can.
void check_recovery(const RecoveryOptions& options, const ClusterRecord& cluster);

/// Lines for postgresql.auto.conf that make a server of this version recover so. Requires:
/// check_recovery().
std::string recovery_settings(const RecoveryOptions& options);

} // namespace backstay::core
