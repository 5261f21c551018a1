#pragma once

#include "base/bytes.hpp"
#include "postgres/log_position.hpp"

#include <cstdint>
#include <string>

namespace backstay::core
{

/// A message within the COPY stream of BASE_BACKUP (PostgreSQL 15 and later). Spans lie in what was
/// decoded.
struct BackupMessage {
    enum class Kind : std::uint8_t { archive, manifest, data, progress };
    Kind kind = Kind::data;
    std::string archive;  ///< "base.tar", "16401.tar"
    std::string location; ///< of the tablespace; "": the data directory
    ByteSpan data;
    std::uint64_t bytes = 0; ///< done so far
};
/// Throws Error{damaged}.
BackupMessage decode_backup_message(ByteSpan message);

/// A message from a server that streams its log. Spans lie in what was decoded.
struct LogMessage {
    enum class Kind : std::uint8_t { data, keepalive };
    Kind kind = Kind::data;
    LogPosition begin = 0; ///< of the data
    LogPosition end = 0;   ///< of the server's log
    std::int64_t time = 0; ///< the server's clock: microseconds since 1970
    bool wants_reply = false;
    ByteSpan data;
};
/// Throws Error{damaged}.
LogMessage decode_log_message(ByteSpan message);

/// How far a receiver of the log is; 0: says nothing about that.
struct LogStatus {
    LogPosition written = 0;
    LogPosition flushed = 0;
    std::int64_t time = 0; ///< microseconds since 1970
};
Bytes encode_log_status(const LogStatus& status);

} // namespace backstay::core
