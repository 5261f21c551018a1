#pragma once

#include "repo/snapshot_catalog.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// What a repository has of one system's write-ahead log: which of its files lie in which snapshots
/// of kind "log". A value.
class LogArchive
{
public:
    /// Of `list`, what belongs to this system.
    LogArchive(const SnapshotList& list, const std::string& system_id);

    struct Place {
        const Snapshot* snapshot; ///< in the list given, which must outlive it
        std::string hash;         ///< SHA-256 of the file
    };
    /// The newest of that name; empty if there is none.
    std::optional<Place> find(const std::string& name) const;
    /// Of the list: this system's whose files all lie in newer ones.
    std::vector<SessionId> superseded(const SnapshotList& list) const;
    /// The last whole segment of a timeline; "" if there is none.
    std::string last_segment(std::uint32_t timeline) const;

private:
    std::string system_id_;
    std::map<std::string, Place> files_;
};

} // namespace backstay::core
