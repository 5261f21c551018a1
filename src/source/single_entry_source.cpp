#include "source/single_entry_source.hpp"

#include "base/clock.hpp"
#include "base/worker_group.hpp"

#include <cerrno>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr int look_around_ms = 50; ///< how late a stop may be seen

/// Waits until there is something to read, or the end.
void wait_readable(int descriptor, const std::stop_token& stop)
{
    pollfd waiting{descriptor, POLLIN, 0};
    while (true) {
        throw_if_stopped(stop);
        if (::poll(&waiting, 1, look_around_ms) > 0) {
            return;
        }
    }
}

} // namespace

SingleEntrySource::SingleEntrySource(std::string name) : name_(std::move(name))
{
    if (!is_entry_path(name_)) {
        throw Error(ErrorCode::invalid,
                    "the name of a stream is relative, and no name in it is empty, \".\" or \"..\"",
                    name_);
    }
}

SessionPlan SingleEntrySource::open(SnapshotView*, ProblemSink, std::stop_token stop)
{
    stop_ = std::move(stop);
    given_ = false;
    was_read_ = false;
    begin();
    return {1, 1, 0};
}

std::optional<SourceEntry> SingleEntrySource::next(std::uint32_t)
{
    if (std::exchange(given_, true)) {
        return std::nullopt;
    }
    SourceEntry entry;
    entry.entry.path = name_;
    entry.entry.kind = EntryKind::file;
    entry.entry.mode = 0600;
    entry.entry.user_id = ::geteuid();
    entry.entry.group_id = ::getegid();
    entry.entry.modified = system_clock().now();
    entry.sequential = true;
    return entry;
}

std::size_t SingleEntrySource::read(std::uint32_t, std::uint64_t, std::uint64_t,
                                    MutableByteSpan buffer)
{
    // Filled as far as it goes, so that short means the end.
    std::size_t done = 0;
    while (done < buffer.size() && !was_read_) {
        wait_readable(descriptor(), stop_);
        const ssize_t got = ::read(descriptor(), buffer.data() + done, buffer.size() - done);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got < 0) {
            throw_system_error(errno, "cannot read the stream", name_, ErrorCode::source);
        }
        was_begun_ = true;
        was_read_ = got == 0;
        done += static_cast<std::size_t>(got);
    }
    return done;
}

std::optional<SnapshotStream::Extent> SingleEntrySource::next_data(std::uint32_t, std::uint64_t,
                                                                   std::uint64_t)
{
    return std::nullopt; // streams have no holes
}

DataSource::Outcome SingleEntrySource::outcome(std::uint32_t, std::uint64_t, Entry&)
{
    return Outcome::stable;
}

void SingleEntrySource::release(std::uint32_t, std::uint64_t) {}

void SingleEntrySource::settle(bool)
{
    stop_ = {};
}

} // namespace backstay::core
