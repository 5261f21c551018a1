#pragma once

#include "format/snapshot_view.hpp"
#include "postgres/cluster_record.hpp"
#include "target/postgres/cluster_layout.hpp"

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// The cluster that lies where another state of it is to come: what of it may be touched, and what
/// the snapshot does not have. While it is neither the one nor the other its control file has
/// another name, by which the next attempt knows it and at which no server starts.
class ClusterDelta
{
public:
    /// Both must outlive it.
    ClusterDelta(const ClusterLayout& layout, const ClusterRecord& cluster)
        : layout_(layout), cluster_(cluster)
    {
    }

    /// Why a folder of the layout may not be made, or what lies in it not be touched, if it was
    /// adopted; "" if it may.
    std::string objection(const ClusterFolder& folder) const;

    /// From now on no server starts on it, until a new control file is there. Throws Error.
    void hide() const;
    /// When the new control file is durable.
    void forget_old_control_file() const;

    struct Surplus {
        const ClusterFolder* folder; ///< of the layout
        std::string path;
    };
    /// Everything that the snapshot has not, or of another kind: folders as a whole. Throws Error.
    std::vector<Surplus> surplus(SnapshotView& view, const std::stop_token& stop) const;
    /// By how much files become longer, and what those take that are made anew. Throws Error.
    std::uint64_t growth(SnapshotView& view, const std::stop_token& stop) const;

private:
    using Kinds = std::map<std::string, EntryKind>;
    std::string objection_to_data() const;
    std::string objection_to_tablespace(const ClusterFolder& folder) const;
    void look_into(SnapshotView& view, const ClusterFolder& folder, const std::string& path,
                   std::vector<Surplus>& found, const std::stop_token& stop) const;
    Kinds wanted_in(SnapshotView& view, const ClusterFolder& folder, const std::string& path) const;
    std::vector<std::string> sources_of(const ClusterFolder& folder, const std::string& path) const;
    bool stays(const ClusterFolder& folder, const std::string& path) const;

    const ClusterLayout& layout_;
    const ClusterRecord& cluster_;
};

} // namespace backstay::core
