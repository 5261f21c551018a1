#pragma once

#include "base/thread.hpp"
#include "postgres/connection.hpp"
#include "postgres/copy_message.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// The server's write-ahead log as it grows, over a replication connection.
///
/// A thread of its own sends signs of life while nobody reads, so that the server does not end a
/// receiver whose store is slow. One thread at a time reads.
class LogStream
{
public:
    struct Start {
        std::string slot; ///< "": none
        LogPosition position = 0;
        std::uint32_t timeline = 0;
    };
    /// `connection` must outlive it, and is not to be used beside it.
    LogStream(PostgresConnection& connection, const Start& start);
    ~LogStream();
    LogStream(const LogStream&) = delete;
    LogStream& operator=(const LogStream&) = delete;

    enum class Got : std::uint8_t {
        data,    ///< data() has the log's next bytes, from position() on
        nothing, ///< not within the time given
        end,     ///< the server went on to another timeline, or stops
    };
    /// Waits at most that long. Throws Error, for a log that is gone, too.
    Got next(std::chrono::milliseconds longest);
    /// Valid until next().
    ByteSpan data() const { return data_; }
    LogPosition position() const { return position_; }
    /// The server's clock when it sent the last message: microseconds since 1970.
    std::int64_t server_time() const { return server_time_; }

    /// What the server need not keep any longer.
    void acknowledge(LogPosition flushed);

    struct Next {
        std::uint32_t timeline = 0;
        LogPosition position = 0; ///< where it begins
    };
    /// Ends our side and takes the server's last word, which may be an Error; otherwise the
    /// timeline that the server went on to, if that is why it ended.
    std::optional<Next> finish();

private:
    using Clock = std::chrono::steady_clock;
    void send_status();
    void send_if_due();
    void keep_alive(const std::stop_token& stop);
    bool take(ByteSpan message);

    PostgresConnection& connection_;
    std::mutex mutex_; // guards the connection and the members below
    std::condition_variable_any wake_;
    ByteSpan data_;
    LogPosition position_ = 0;
    LogPosition received_ = 0;
    LogPosition flushed_ = 0;
    std::int64_t server_time_ = 0;
    Clock::time_point last_status_;
    bool ended_ = false;
    std::stop_source stop_;
    Thread keeper_; // last: it uses all of the above
};

} // namespace backstay::core
