#pragma once

#include "base/clock.hpp"
#include "postgres/log_position.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// What a snapshot keeps about the cluster of a physical backup, beside its files: written by the
/// source, read by a restore.
struct ClusterRecord {
    std::string server_version;
    int version = 0;
    std::string system_id;
    std::uint32_t timeline = 0;
    std::uint64_t segment_size = 0;
    std::uint32_t folder_mode = 0700;
    LogPosition begin = 0;
    LogPosition end = 0;            ///< from here on the cluster is consistent
    LogPosition log_end = 0;        ///< up to here the snapshot has the log
    std::optional<Timestamp> ended; ///< by the server's clock
    struct Tablespace {
        std::uint32_t oid = 0;
        std::string location;
    };
    std::vector<Tablespace> tablespaces;
    std::string configuration_file; ///< where the server had it; "" if it did not say
};

/// Throws Error{invalid} if it is no record of a physical backup, Error{damaged} if it is a bad
/// one.
ClusterRecord parse_cluster_record(const std::string& json);

} // namespace backstay::core
