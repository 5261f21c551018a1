#pragma once

#include "postgres/cluster_record.hpp"
#include "target/postgres/cluster_folder.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace backstay::core
{

/// Old and new location of tablespaces.
using TablespaceMapping = std::vector<std::pair<std::string, std::string>>;

/// "A=B", the first '=' that no '\' precedes. Throws Error{invalid}.
std::pair<std::string, std::string> parse_tablespace_mapping(const std::string& text);

/// Where what a physical backup holds goes: the data directory and, beside it, tablespaces.
class ClusterLayout
{
public:
    /// Tablespaces that `mapping` does not name go where they were. Throws Error{invalid} where it
    /// names one that the backup has not, or two would share a folder.
    ClusterLayout(const std::string& directory, const ClusterRecord& cluster,
                  const TablespaceMapping& mapping);

    struct Place {
        const ClusterFolder* folder = nullptr;
        std::string path; ///< in it
        bool is_log = false;
    };
    /// Of an entry of the snapshot; empty if it has no place in a cluster.
    std::optional<Place> place_of(const std::string& path) const;
    /// `place` is this file of the data directory.
    bool is_data(const Place& place, const char* path) const;

    ClusterFolder& data() { return data_; }
    const ClusterFolder& data() const { return data_; }
    using Spaces = std::map<std::uint32_t, std::unique_ptr<ClusterFolder>>;
    /// By oid; without those that lie within the data directory.
    const Spaces& spaces() const { return spaces_; }

private:
    std::optional<Place> place_in_tablespace(const std::string& path) const;

    ClusterFolder data_;
    Spaces spaces_;
};

} // namespace backstay::core
