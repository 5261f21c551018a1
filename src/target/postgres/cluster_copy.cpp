#include "target/postgres/cluster_copy.hpp"

#include "postgres/log_position.hpp"
#include "target/postgres/cluster_file.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

namespace backstay::core
{

namespace
{

constexpr std::size_t piece_size = 1 * MiB;
constexpr std::uint64_t part_size = 32 * MiB;
constexpr std::size_t parts_waiting = 256;
/// Threads wait for the disk half of their time; each has a piece's size of memory.
constexpr unsigned threads_a_core = 2;
constexpr unsigned most_threads = 32;

} // namespace

/// A file that several threads may write, each its own part.
struct ClusterCopy::File {
    Entry entry;
    ClusterLayout::Place place;
    std::once_flag made;
    std::optional<ClusterFile> file;
    std::exception_ptr failure; ///< to make it: every thread's that has a part of it
    std::atomic<std::uint64_t> parts_left{0};
};

ClusterCopy::ClusterCopy(SnapshotView& view, const TargetEvents& events, unsigned threads,
                         std::uint64_t segment_size, const std::stop_token& stop)
    : view_(view), events_(events), segment_size_(segment_size), parts_(parts_waiting),
      workers_(stop)
{
    const unsigned wanted = threads_a_core * std::max(threads, 1U);
    for (unsigned i = 0; i < std::min(wanted, most_threads); ++i) {
        workers_.start("restore", [this](const std::stop_token& stopped) { work(stopped); });
    }
}

ClusterCopy::~ClusterCopy()
{
    parts_.close();
    workers_.request_stop();
}

void ClusterCopy::add(Entry entry, ClusterLayout::Place place)
{
    const auto file = std::make_shared<File>();
    file->entry = std::move(entry);
    file->place = std::move(place);
    const std::uint64_t size = file->entry.size;
    file->parts_left = std::max<std::uint64_t>((size + part_size - 1) / part_size, 1);
    std::uint64_t begin = 0;
    do {
        const std::uint64_t end = std::min(begin + part_size, size);
        parts_.push({file, begin, end}, workers_.stop_token());
        begin = end;
    } while (begin < size);
}

void ClusterCopy::finish(std::exception_ptr failure)
{
    if (failure) {
        workers_.fail(std::move(failure));
    }
    parts_.close();
    workers_.join();
}

void ClusterCopy::work(const std::stop_token& stop)
{
    AlignedBuffer buffer(piece_size);
    while (const std::optional<Part> part = parts_.pop(stop)) {
        copy(*part, buffer, stop);
    }
    throw_if_stopped(stop);
}

void ClusterCopy::copy(const Part& part, AlignedBuffer& buffer, const std::stop_token& stop)
{
    File& file = *part.file;
    std::call_once(file.made, [&file] {
        try {
            file.file.emplace(*file.place.folder, file.place.path,
                              file.entry.mode.value_or(0600) & 07777, file.entry.size);
        } catch (...) {
            file.failure = std::current_exception();
        }
    });
    if (file.failure) {
        std::rethrow_exception(file.failure);
    }
    const auto stream = view_.open_stream(file.entry);
    if (file.file->was_there()) {
        copy_differing(file, *stream, part, buffer, stop);
    } else {
        stream->expect(part.begin, part.end);
        copy_bytes(file, *stream, part.begin, part.end, buffer, stop);
    }
    if (--file.parts_left == 0) {
        finish_file(file);
        if (events_.progress) {
            events_.progress(1, 0, 0);
        }
    }
}

void ClusterCopy::copy_bytes(File& file, SnapshotStream& stream, std::uint64_t begin,
                             std::uint64_t end, AlignedBuffer& buffer,
                             const std::stop_token& stop) const
{
    for (std::uint64_t at = begin; at < end;) {
        buffer.clear();
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, end - at));
        const std::size_t size = stream.read_at(at, buffer.extend(wanted), stop);
        if (size != wanted) {
            throw Error(ErrorCode::damaged, "the file is shorter than the snapshot says",
                        file.entry.path);
        }
        file.file->write(at, buffer);
        at += size;
        if (events_.progress) {
            events_.progress(0, size, 0);
        }
    }
}

/// Chunks that begin in the part: so each is compared by one thread, as a whole.
void ClusterCopy::copy_differing(File& file, SnapshotStream& stream, const Part& part,
                                 AlignedBuffer& buffer, const std::stop_token& stop) const
{
    Bytes there;
    std::uint64_t at = first_chunk_of(part, stream, stop);
    std::uint64_t differing = at; // from here up to `at`: not written yet
    while (at < part.end) {
        throw_if_stopped(stop);
        const SnapshotStream::Chunk chunk = stream.chunk_at(at, stop);
        const std::uint64_t end =
            chunk.is_hole ? std::min({chunk.end, part.end, at + piece_size}) : chunk.end;
        there.resize(static_cast<std::size_t>(end - at));
        file.file->read(at, there);
        if (stream.chunk_equals(at, there, stop)) {
            copy_bytes(file, stream, differing, at, buffer, stop);
            differing = end;
            if (events_.progress) {
                events_.progress(0, 0, end - at);
            }
        }
        at = end;
    }
    copy_bytes(file, stream, differing, at, buffer, stop);
}

/// One that began before is the other part's; of a hole each part has its own.
std::uint64_t ClusterCopy::first_chunk_of(const Part& part, SnapshotStream& stream,
                                          const std::stop_token& stop)
{
    if (part.begin == part.end) {
        return part.end;
    }
    const SnapshotStream::Chunk chunk = stream.chunk_at(part.begin, stop);
    return chunk.is_hole || chunk.begin == part.begin ? part.begin : chunk.end;
}

/// The last segment of a standby's log was not whole yet: a server takes no shorter ones.
void ClusterCopy::finish_file(File& done) const
{
    const Entry& entry = done.entry;
    const bool is_short = done.place.is_log && entry.size < segment_size_ &&
                          !is_timeline_history_name(entry.path.substr(4));
    if (is_short) {
        done.file->resize(segment_size_);
    }
    if (entry.modified) {
        done.file->set_time(entry.modified->seconds, entry.modified->nanoseconds);
    }
    done.file->close();
}

} // namespace backstay::core
