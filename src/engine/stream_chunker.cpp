#include "engine/stream_chunker.hpp"

#include "base/error.hpp"
#include "format/pack.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::uint32_t smallest_unit = 1024;
constexpr std::uint32_t largest_unit =
    4 * MiB; // its maximum, four times that, is still a frame that readers accept
constexpr std::uint32_t image_grid =
    32 *
    KiB; // measured: research of the design; a changed page costs little, the index stays small
constexpr std::size_t read_ahead = 1 * MiB;

} // namespace

ChunkPolicy resolve_policy(ChunkPolicy policy, EntryKind kind, ChunkerParameters standard)
{
    if (policy.kind == ChunkPolicy::Kind::by_kind) {
        policy.kind = kind == EntryKind::image ? ChunkPolicy::Kind::grid : ChunkPolicy::Kind::cdc;
    }
    if (policy.size == 0) {
        switch (policy.kind) {
        case ChunkPolicy::Kind::grid:
            policy.size = image_grid;
            break;
        case ChunkPolicy::Kind::none:
            policy.size = max_data_frame;
            break;
        default:
            policy.size = standard.average;
            break;
        }
    }
    if (policy.size < smallest_unit || policy.size > largest_unit) {
        throw Error(ErrorCode::invalid,
                    fmt::format("a chunk size of {} is out of bounds: {} to {} are possible",
                                policy.size, smallest_unit, largest_unit));
    }
    return policy;
}

StreamChunker::StreamChunker(ByteSpan cut_key, ChunkerParameters standard)
    : cut_key_(cut_key.begin(), cut_key.end()), standard_(standard)
{
}

const Chunker& StreamChunker::chunker(std::uint32_t average)
{
    std::unique_ptr<Chunker>& chunker = chunkers_[average];
    if (!chunker) {
        chunker = std::make_unique<Chunker>(cut_key_, ChunkerParameters{average});
    }
    return *chunker;
}

std::size_t StreamChunker::largest_chunk(const ChunkPolicy& policy)
{
    return policy.kind == ChunkPolicy::Kind::cdc ? chunker(policy.size).parameters().maximum()
                                                 : policy.size;
}

std::size_t StreamChunker::cut(const ChunkPolicy& policy, ByteSpan window, bool at_end,
                               std::uint64_t offset)
{
    if (policy.kind == ChunkPolicy::Kind::cdc) {
        return chunker(policy.size).next_cut(window, at_end);
    }
    // A grid is aligned to the stream, wherever an extent begins.
    return std::min<std::size_t>(window.size(), policy.size - offset % policy.size);
}

std::uint64_t StreamChunker::run_extent(const ChunkPolicy& policy, std::uint64_t begin,
                                        std::uint64_t end, const Reader& read, const Sink& sink,
                                        bool& go_on)
{
    const std::size_t largest = largest_chunk(policy);
    if (capacity_ < largest + read_ahead) {
        capacity_ = largest + read_ahead;
        buffer_.reset(new std::uint8_t[capacity_]); // not zeroed: it is read into
    }
    std::size_t head = 0; // first byte that is not cut off yet
    std::size_t tail = 0;
    std::uint64_t offset = begin; // of the byte at head
    bool at_end = false;
    while (go_on) {
        if (!at_end && tail - head < largest) {
            std::copy(buffer_.get() + head, buffer_.get() + tail, buffer_.get());
            tail -= head;
            head = 0;
            const std::uint64_t next = offset + tail;
            const std::size_t wanted =
                static_cast<std::size_t>(std::min<std::uint64_t>(capacity_ - tail, end - next));
            const std::size_t got = wanted > 0 ? read(next, {buffer_.get() + tail, wanted}) : 0;
            tail += got;
            at_end = got < wanted || next + got == end;
        }
        if (head == tail) {
            if (at_end) {
                break;
            }
            continue;
        }
        const std::size_t length = cut(policy, {buffer_.get() + head, tail - head}, at_end, offset);
        go_on = sink.chunk({buffer_.get() + head, length});
        head += length;
        offset += length;
    }
    return offset - begin;
}

std::uint64_t StreamChunker::run(ChunkPolicy policy, EntryKind kind, std::uint64_t begin,
                                 std::uint64_t size, const Reader& read, const NextData& next_data,
                                 const Sink& sink)
{
    policy = resolve_policy(policy, kind, standard_);
    bool go_on = true;
    if (!next_data) {
        return run_extent(policy, begin, UINT64_MAX, read, sink, go_on);
    }
    std::uint64_t bytes = 0;
    std::uint64_t offset = begin;
    while (go_on && offset < size) {
        const std::optional<SnapshotStream::Extent> extent = next_data(offset);
        const std::uint64_t data = extent ? std::min(extent->begin, size) : size;
        if (data > offset) {
            go_on = sink.hole(data - offset);
            offset = data;
        }
        if (!extent || data == size || !go_on) {
            continue;
        }
        const std::uint64_t got =
            run_extent(policy, data, std::min(extent->end, size), read, sink, go_on);
        bytes += got;
        offset += got;
        if (got == 0) {
            break; // shorter than it was
        }
    }
    return bytes;
}

std::uint64_t StreamChunker::run_stretch(ChunkPolicy policy, EntryKind kind, std::uint64_t begin,
                                         std::uint64_t end, const Reader& read, const Sink& sink)
{
    bool go_on = true;
    return run_extent(resolve_policy(policy, kind, standard_), begin, end, read, sink, go_on);
}

} // namespace backstay::core
