#pragma once

#include "base/read_ahead.hpp"
#include "postgres/base_backup.hpp"
#include "postgres/crc32c.hpp"
#include "postgres/manifest.hpp"
#include "postgres/page_check.hpp"
#include "postgres/tar_reader.hpp"
#include "source/data_source.hpp"
#include "source/postgres/parent_cluster.hpp"
#include "source/postgres/rebuilt_file.hpp"
#include "source/postgres/received_files.hpp"
#include "source/postgres/spool_file.hpp"
#include "source/postgres/visibility_maps.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// The lane of a physical backup that takes the data directory ("data/…") and the tablespaces
/// ("tablespaces/OID/…") out of the server's archives, and its manifest. Pages are checked against
/// their checksums, and afterwards all of it against the manifest. Of an incremental backup it
/// gives whole files and a manifest that fits those. One thread at a time.
class PostgresBaseLane
{
public:
    struct Options {
        std::optional<PageCheck::Settings> pages; ///< empty: they have no checksums
        ParentCluster* parent = nullptr; ///< of an incremental backup; must outlive the lane
        IncrementalBounds bounds;        ///< of its files
        std::stop_token stop;
        ProblemSink problems;
        std::function<void(LogPosition)> ended; ///< told up to where the log is needed
    };
    /// `backup` must outlive it.
    PostgresBaseLane(BaseBackup& backup, Options options);

    std::optional<SourceEntry> next();
    std::size_t read(std::uint64_t item, std::uint64_t offset, MutableByteSpan buffer);
    std::optional<SnapshotStream::Extent> next_kept(std::uint64_t item, std::uint64_t offset);
    /// Tells the pages of the file that do not fit their checksums.
    void release(std::uint64_t item);

    /// Compares what came with what the server says it sent. Throws Error{source}. Requires: the
    /// lane is drained.
    Manifest check_manifest();

    LogPosition end() const { return end_; }
    struct Damage {
        std::uint64_t pages = 0;
        std::uint64_t files = 0;
        bool server_agrees = false; ///< its own check failed, too
    };
    const Damage& damage() const { return damage_; }

private:
    std::optional<SourceEntry> next_member();
    void end_archive();
    SourceEntry begin_manifest();
    std::optional<SourceEntry> next_map();
    SourceEntry entry_of(const TarMember& member);
    void fill_file(SourceEntry& result, const TarMember& member);
    void begin_file(const std::optional<RelationFile>& file);
    void begin_incremental(SourceEntry& result, const TarMember& member, const RelationFile& file);
    void hold_map_back(const SourceEntry& result, const RelationFile& file, IncrementalHead head);
    void begin_rebuilt(SourceEntry& result, IncrementalHead head, ParentCluster::File parent,
                       RebuiltFile::NextPage next_page);
    void read_block(std::uint32_t block, MutableByteSpan page);
    void tell_bad_pages();
    void begin_label(SourceEntry& result, const TarMember& member);
    std::size_t read_member(MutableByteSpan buffer);
    std::size_t read_spooled(MutableByteSpan buffer);
    std::size_t read_manifest_piece(MutableByteSpan buffer);
    void spool_whole_manifest();

    BaseBackup& backup_;
    Options options_;
    std::optional<ReadAhead> received_ahead_; ///< of the archive
    std::optional<TarReader> archive_;
    std::uint32_t tablespace_ = 0;
    std::uint64_t item_ = 0;
    bool is_manifest_ = false; ///< what is read now
    bool is_file_ = false;
    std::string path_;          ///< in the snapshot
    std::string manifest_path_; ///< of the same in the manifest
    std::uint64_t size_ = 0;    ///< as it came, and the sum too
    Crc32c crc32c_;
    std::optional<PageCheck> pages_;
    std::optional<RebuiltFile> rebuilt_; ///< the file that is read now, out of what came for it
    std::optional<std::string> label_;   ///< the same of backup_label
    std::optional<VisibilityMaps> maps_; ///< of an incremental backup
    bool is_held_back_ = false;          ///< what came now, or, as it is read, came before
    ReceivedFiles received_;
    ByteSpan manifest_piece_;
    SpoolFile manifest_; ///< the server's, to be read when all is there
    SpoolFile rebuilt_manifest_;
    LogPosition end_ = 0;
    Damage damage_;
};

} // namespace backstay::core
