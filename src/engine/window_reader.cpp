#include "engine/window_reader.hpp"

#include "base/error.hpp"
#include "base/side_by_side.hpp"
#include "repo/frame_opener.hpp"
#include "repo/frame_range.hpp"

#include <algorithm>
#include <utility>

namespace backstay::core
{

namespace
{

/// Both in the frame and in the file.
bool goes_on(const PlannedChunk& before, const PlannedChunk& chunk)
{
    return before.file == chunk.file && before.offset + before.place.length == chunk.offset &&
           before.place.offset + before.place.length == chunk.place.offset;
}

} // namespace

/// What a thread keeps between reads.
struct WindowReader::Worker {
    explicit Worker(const KeyChain& keys) : opener(keys) {}
    FrameOpener opener;
    Bytes stored;
    Bytes plain;
};

WindowReader::WindowReader(Repository& repository, SnapshotAccess& access,
                           const EngineLimits& limits, Write write, Finished finished,
                           Damaged damaged)
    : repository_(repository), access_(access), limits_(limits), write_(std::move(write)),
      finished_(std::move(finished)), damaged_(std::move(damaged))
{
}

void WindowReader::run(RestoreWindow& window, const std::stop_token& stop)
{
    const std::vector<RestoreWindow::Read> reads =
        window.plan_reads(access_.index(), std::min(most_read_at_once, limits_.memory / 16));
    side_by_side_with(
        "restore", reads.size(), limits_.readers(repository_.store(), stop), stop,
        [this] { return Worker(repository_.keys()); },
        [&](std::size_t at, Worker& worker, const std::stop_token& stopped) {
            run_read(window, reads[at], worker, stopped);
        });
}

void WindowReader::run_read(RestoreWindow& window, const RestoreWindow::Read& read, Worker& worker,
                            const std::stop_token& stop)
{
    const std::vector<PlannedChunk>& chunks = window.chunks();
    const std::vector<IndexedFrame> frames = access_.index().frames(read.pack);
    const IndexedFrame& first = frames.at(chunks[read.first_chunk].place.frame);
    const IndexedFrame& last = frames.at(chunks[read.end_chunk - 1].place.frame);
    const std::uint64_t begin = first.offset;
    const auto size = static_cast<std::size_t>(last.offset + last.stored_size - begin);
    worker.stored.resize(size);
    std::size_t got = 0;
    try {
        got = repository_.store().get(pack_key(access_.index().pack(read.pack).id), begin,
                                      worker.stored, stop);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        // Nothing came: each chunk is looked for elsewhere, which also says what is wrong.
    }
    for (std::size_t i = read.first_chunk; i < read.end_chunk;) {
        const std::uint32_t number = chunks[i].place.frame;
        std::size_t end = i;
        while (end < read.end_chunk && chunks[end].place.frame == number) {
            ++end;
        }
        const IndexedFrame& frame = frames.at(number);
        const auto offset = static_cast<std::size_t>(frame.offset - begin);
        const bool there = offset + frame.stored_size <= got;
        write_frame(window, i, end, frame,
                    there ? ByteSpan(worker.stored).subspan(offset, frame.stored_size) : ByteSpan(),
                    worker, stop);
        i = end;
    }
}

void WindowReader::write_frame(RestoreWindow& window, std::size_t begin, std::size_t end,
                               const IndexedFrame& frame, ByteSpan stored, Worker& worker,
                               const std::stop_token& stop)
{
    worker.plain.resize(frame.plain_size);
    const bool opened = !stored.empty() && worker.opener.open(frame, stored, worker.plain);
    const BlobId* checked = nullptr; // the same chunk may go to several places: it is hashed once
    std::size_t written = begin;     // chunks up to here; those after it are good, and one stretch
    const auto write_until = [&](std::size_t next) {
        if (written < next) {
            write_stretch(window, written, next, worker.plain);
        }
        written = next;
    };
    for (std::size_t i = begin; i < end; ++i) {
        const PlannedChunk& chunk = window.chunks()[i];
        const bool inside =
            opened && std::uint64_t{chunk.place.offset} + chunk.place.length <= worker.plain.size();
        if (!inside) {
            write_until(i);
            fetch_elsewhere(window, chunk, stop);
            written = i + 1;
            continue;
        }
        const ByteSpan plain =
            ByteSpan(worker.plain).subspan(chunk.place.offset, chunk.place.length);
        if ((checked == nullptr || *checked != chunk.id) &&
            repository_.keys().namer().name(BlobKind::data, plain) != chunk.id) {
            write_until(i);
            fetch_elsewhere(window, chunk, stop);
            written = i + 1;
            continue;
        }
        checked = &chunk.id;
        if (i > written && !goes_on(window.chunks()[i - 1], chunk)) {
            write_until(i);
        }
    }
    write_until(end);
}

void WindowReader::write_stretch(RestoreWindow& window, std::size_t begin, std::size_t end,
                                 ByteSpan plain)
{
    const PlannedChunk& first = window.chunks()[begin];
    const PlannedChunk& last = window.chunks()[end - 1];
    const std::size_t size = last.place.offset + last.place.length - first.place.offset;
    write_(window.files()[first.file], first.offset, plain.subspan(first.place.offset, size));
    for (std::size_t i = begin; i < end; ++i) {
        chunk_done(window, window.chunks()[i]);
    }
}

void WindowReader::fetch_elsewhere(RestoreWindow& window, const PlannedChunk& chunk,
                                   const std::stop_token& stop)
{
    PlannedFile& file = window.files()[chunk.file];
    try {
        const Bytes plain = access_.reader().read(chunk.id, BlobKind::data, stop);
        write_(file, chunk.offset, plain);
    } catch (const Error& error) {
        const bool lost =
            error.code() == ErrorCode::damaged || error.code() == ErrorCode::not_found;
        if (!lost) {
            throw;
        }
        bool first = false;
        {
            const std::lock_guard lock(mutex_);
            first = !std::exchange(file.damaged, true);
        }
        if (first) {
            damaged_(file, error.what());
        }
    }
    chunk_done(window, chunk);
}

void WindowReader::chunk_done(RestoreWindow& window, const PlannedChunk& chunk)
{
    PlannedFile& file = window.files()[chunk.file];
    bool last = false;
    {
        const std::lock_guard lock(mutex_);
        last = --file.waiting == 0;
    }
    if (last) {
        finished_(file);
    }
}

} // namespace backstay::core
