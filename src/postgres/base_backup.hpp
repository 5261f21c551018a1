#pragma once

#include "postgres/connection.hpp"
#include "postgres/log_position.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

struct BaseBackupOptions {
    std::string label = "backstay";
    bool fast_checkpoint = false;
    bool incremental = false;   ///< on what upload_manifest() gave: 17 and later
    std::uint64_t rate_kib = 0; ///< a second, 32 to 1,048,576; 0: no limit
    std::chrono::milliseconds patience{std::chrono::hours(24)}; ///< for the checkpoint
};

/// The BASE_BACKUP command in the form that the server's version takes: keywords for 13 and 14,
/// options in parentheses from 15 on. With a CRC-32C manifest, page checksums verified, links for
/// tablespaces, without waiting for the archiver.
std::string base_backup_command(const BaseBackupOptions& options, int server_version);

/// Gives the server the manifest of an earlier backup, which the connection's next incremental one
/// builds on. `read` is short only at the end. Throws Error{source}.
void upload_manifest(PostgresConnection& connection,
                     const std::function<std::size_t(MutableByteSpan)>& read);

/// A running base backup on a replication connection: archives one after the other, then the
/// manifest, then the end. One thread at a time.
class BaseBackup
{
public:
    struct Tablespace {
        std::uint32_t oid = 0; ///< 0: the data directory
        std::string location;
        std::uint64_t bytes = 0; ///< estimated
    };
    struct Archive {
        bool is_manifest = false;
        std::uint32_t tablespace = 0; ///< 0: the data directory
    };

    /// Starts it: waits for the checkpoint. `connection` must outlive it.
    BaseBackup(PostgresConnection& connection, const BaseBackupOptions& options);

    LogPosition begin() const { return begin_; }
    std::uint32_t timeline() const { return timeline_; }
    /// The data directory comes last.
    const std::vector<Tablespace>& tablespaces() const { return tablespaces_; }

    /// Skips what is left of the archive before. Empty after the last one.
    std::optional<Archive> next_archive();
    /// The archive's next bytes, valid until the next call; empty at its end.
    ByteSpan read();

    struct End {
        LogPosition position = 0;   ///< the log is needed up to here
        bool pages_damaged = false; ///< the server found page checksums that do not fit
    };
    /// The server's last word, without which nothing that was read means anything. Requires:
    /// next_archive() has given nothing.
    End finish();

private:
    void read_tablespaces();
    std::optional<Archive> next_typed_archive();
    std::optional<Archive> next_plain_archive();
    Archive archive_named(const std::string& name) const;
    [[noreturn]] void throw_unexpected() const;

    PostgresConnection& connection_;
    const bool is_typed_;
    LogPosition begin_ = 0;
    std::uint32_t timeline_ = 0;
    std::vector<Tablespace> tablespaces_;
    std::optional<Archive> announced_; ///< typed: read() met the next archive's name
    std::size_t archives_begun_ = 0;   ///< plain
    PostgresConnection::Kind upcoming_ = PostgresConnection::Kind::none; ///< after a COPY
    bool in_archive_ = false;
    bool copy_ended_ = false;
};

} // namespace backstay::core
