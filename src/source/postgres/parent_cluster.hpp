#pragma once

#include "format/snapshot_view.hpp"
#include "postgres/connection.hpp"
#include "postgres/server_facts.hpp"
#include "source/postgres/rebuilt_file.hpp"
#include "source/postgres/spool_file.hpp"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// The physical backup that an incremental one builds on, out of the parent snapshot. One thread
/// at a time.
class ParentCluster
{
public:
    struct Found {
        std::unique_ptr<ParentCluster> parent;
        std::string why_not; ///< where there is none: after "because "
    };
    /// `view`: the parent snapshot's part of this source, or null; must outlive it. Only a backup
    /// of the same cluster on the same timeline will do, without damaged pages, whose manifest is
    /// whole.
    static Found find(SnapshotView* view, const ServerFacts& facts, const std::stop_token& stop);

    /// Hands its manifest to the server. Throws Error.
    void upload(PostgresConnection& connection);

    std::uint64_t system_id() const { return system_id_; }

    struct File {
        Content content;
        RebuiltFile::Earlier earlier;
    };
    /// The file that lies at `path` in the snapshot. Throws ParentUnreadable if it is not there as
    /// the manifest says: blocks of it alone do not make it whole then.
    File open(const std::string& path, const std::string& manifest_path);

private:
    /// Paths as hashes, for there may be a million.
    struct Known {
        std::uint64_t path;
        std::uint64_t size;
        std::uint32_t crc32c;
    };
    ParentCluster(SnapshotView& snapshot, const std::stop_token& stop);
    std::optional<Entry> look_up(const std::string& path);

    SnapshotView& snapshot_;
    SpoolFile manifest_;
    std::vector<Known> files_; ///< sorted
    std::uint64_t system_id_ = 0;
};

} // namespace backstay::core
