#include "source/postgres/log_lane.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t history_item = UINT64_MAX;
constexpr auto look_up_after = std::chrono::milliseconds(100);
/// A primary fills the segment up at once when the backup ends; a standby cannot.
constexpr auto wait_for_whole_segment = std::chrono::seconds(1);

using SteadyClock = std::chrono::steady_clock;

} // namespace

PostgresLogLane::PostgresLogLane(PostgresConnection& connection, Options options)
    : options_(std::move(options)), stream_(connection, options_.start),
      position_(options_.start.position), segment_end_(position_),
      history_given_(options_.history_name.empty())
{
}

/// Whether all that the backup needs was given on, and waiting for more is of no use. A server that
/// is written to never falls silent, so patience is counted from the moment the end was known.
bool PostgresLogLane::is_complete()
{
    const LogPosition end = end_.load();
    if (end == 0 || position_ < end) {
        return false;
    }
    const SteadyClock::time_point now = SteadyClock::now();
    end_seen_ = end_seen_.value_or(now);
    const LogPosition whole_at =
        (end + options_.segment_size - 1) / options_.segment_size * options_.segment_size;
    return position_ >= whole_at || now - *end_seen_ >= wait_for_whole_segment;
}

/// False once the log is complete.
bool PostgresLogLane::fill()
{
    for (;;) {
        complete_ = complete_ || is_complete();
        if (complete_) {
            return false;
        }
        if (!piece_.empty()) {
            return true;
        }
        switch (stream_.next(look_up_after)) {
        case LogStream::Got::data:
            piece_ = stream_.data();
            break;
        case LogStream::Got::nothing:
            break;
        case LogStream::Got::end:
            stream_.finish();
            throw Error(ErrorCode::source,
                        "the server stopped sending its log: it was promoted or shut down while it "
                        "was backed up; start the backup again");
        }
    }
}

std::optional<SourceEntry> PostgresLogLane::next()
{
    SourceEntry entry;
    entry.sequential = true;
    entry.entry.mode = 0600;
    if (!history_given_) {
        history_given_ = true;
        entry.entry.path = "wal/" + options_.history_name;
        entry.entry.size = options_.history.size();
        entry.item = history_item;
        return entry;
    }
    if (!fill()) {
        return std::nullopt;
    }
    const LogSegment segment =
        segment_at(options_.start.timeline, position_, options_.segment_size);
    segment_end_ = segment_begin(segment, options_.segment_size) + options_.segment_size;
    entry.entry.path = "wal/" + segment_name(segment, options_.segment_size);
    entry.entry.size = options_.segment_size;
    entry.item = segment.number;
    entry.policy = {ChunkPolicy::Kind::none, 0}; // a log does not repeat itself
    return entry;
}

std::size_t PostgresLogLane::read_history(std::uint64_t offset, MutableByteSpan buffer) const
{
    const ByteSpan all = options_.history;
    const ByteSpan rest = all.subspan(std::min<std::size_t>(offset, all.size()));
    const std::size_t size = std::min(rest.size(), buffer.size());
    std::copy_n(rest.begin(), size, buffer.begin());
    return size;
}

std::size_t PostgresLogLane::read(std::uint64_t item, std::uint64_t offset, MutableByteSpan buffer)
{
    if (item == history_item) {
        return read_history(offset, buffer);
    }
    std::size_t got = 0;
    while (got < buffer.size() && position_ < segment_end_ && fill()) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(
            {piece_.size(), buffer.size() - got, segment_end_ - position_}));
        std::copy_n(piece_.begin(), size, buffer.begin() + static_cast<std::ptrdiff_t>(got));
        piece_ = piece_.subspan(size);
        position_ += size;
        got += size;
    }
    return got;
}

void PostgresLogLane::release(std::uint64_t item)
{
    if (item != history_item && options_.acknowledge) {
        stream_.acknowledge(position_);
    }
}

} // namespace backstay::core
