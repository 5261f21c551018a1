#pragma once

#include "base/file.hpp"
#include "postgres/base_backup.hpp"
#include "postgres/crc32c.hpp"
#include "postgres/manifest.hpp"
#include "postgres/page_check.hpp"
#include "postgres/tar_reader.hpp"
#include "source/data_source.hpp"

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
/// their checksums, and afterwards all of it against the manifest. One thread at a time.
class PostgresBaseLane
{
public:
    struct Options {
        std::optional<PageCheck::Settings> pages; ///< empty: they have no checksums
        ProblemSink problems;
        std::function<void(LogPosition)> ended; ///< told up to where the log is needed
    };
    /// `backup` must outlive it.
    PostgresBaseLane(BaseBackup& backup, Options options);

    std::optional<SourceEntry> next();
    std::size_t read(std::uint64_t item, MutableByteSpan buffer);
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
    /// What came of a file; its path as a hash, for there may be a million.
    struct Received {
        std::uint64_t path;
        std::uint64_t size;
        std::uint32_t crc32c;
    };

    std::optional<SourceEntry> next_member();
    SourceEntry begin_manifest();
    SourceEntry entry_of(const TarMember& member);
    void begin_file(const TarMember& member);
    std::size_t read_manifest_piece(MutableByteSpan buffer);
    void compare(const ManifestFile& file) const;

    BaseBackup& backup_;
    Options options_;
    std::optional<TarReader> archive_;
    std::uint32_t tablespace_ = 0;
    std::uint64_t item_ = 0;
    bool is_manifest_ = false; ///< what is read now
    bool is_file_ = false;
    std::string path_;          ///< in the snapshot
    std::string manifest_path_; ///< of the same in the manifest
    std::uint64_t size_ = 0;
    Crc32c crc32c_;
    std::optional<PageCheck> pages_;
    std::vector<Received> received_;
    ByteSpan manifest_piece_;
    struct Close {
        void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    };
    std::unique_ptr<std::FILE, Close> manifest_; ///< a copy, to be read when all is there
    LogPosition end_ = 0;
    Damage damage_;
};

} // namespace backstay::core
