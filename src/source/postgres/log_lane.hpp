#pragma once

#include "postgres/log_stream.hpp"
#include "source/data_source.hpp"

#include <atomic>
#include <optional>
#include <string>

namespace backstay::core
{

/// The lane of a physical backup that keeps the write-ahead log: a file a segment, from the one
/// that the backup begins in up to the one that it ends in. A segment that is shorter than it
/// should be is the last one, and was not whole yet. One thread at a time, except set_end().
class PostgresLogLane
{
public:
    struct Options {
        LogStream::Start start; ///< at the beginning of a segment
        std::uint64_t segment_size = 0;
        bool acknowledge = true;
        std::string history_name; ///< of the timeline's history; empty: it has none
        Bytes history;
    };
    /// `connection` must outlive it.
    PostgresLogLane(PostgresConnection& connection, Options options);

    std::optional<SourceEntry> next();
    std::size_t read(std::uint64_t item, std::uint64_t offset, MutableByteSpan buffer);
    void release(std::uint64_t item);

    /// Up to where the log is needed. Thread-safe.
    void set_end(LogPosition end) { end_.store(end); }

    /// Up to where it was received.
    LogPosition position() const { return position_; }
    std::int64_t server_time() const { return stream_.server_time(); }

private:
    bool fill();
    bool is_complete();
    std::size_t read_history(std::uint64_t offset, MutableByteSpan buffer) const;

    const Options options_;
    LogStream stream_;
    std::atomic<LogPosition> end_{0}; ///< 0: not known yet
    ByteSpan piece_;                  ///< received, not given on
    LogPosition position_;            ///< of the next byte to give on
    LogPosition segment_end_;         ///< of the entry that is being read
    std::optional<std::chrono::steady_clock::time_point> end_seen_; ///< reached and known
    bool history_given_;
    bool complete_ = false;
};

} // namespace backstay::core
