#pragma once

#include "codec/chunker.hpp"
#include "source/data_source.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace backstay::core
{

/// Cuts an entry's bytes by its policy and hands the chunks on, in order, holes between them.
/// Shared by everything that must cut alike (backup, verify). One thread at a time: a lane has its
/// own.
class StreamChunker
{
public:
    /// `cut_key` and `standard` are the repository's.
    StreamChunker(ByteSpan cut_key, ChunkerParameters standard);

    /// Takes a chunk's bytes (valid for the call) or a hole's length. False ends it.
    struct Sink {
        std::function<bool(ByteSpan)> chunk;
        std::function<bool(std::uint64_t)> hole;
    };
    /// Reads bytes at an offset; short or empty only at the end.
    using Reader = std::function<std::size_t(std::uint64_t offset, MutableByteSpan)>;
    using NextData = std::function<std::optional<SnapshotStream::Extent>(std::uint64_t offset)>;

    /// From `begin`, where an earlier run left off, else 0. `next_data` is asked only for sparse
    /// entries. Returns the bytes read (holes not counted). Throws what `read` throws.
    std::uint64_t run(ChunkPolicy policy, EntryKind kind, std::uint64_t begin, std::uint64_t size,
                      const Reader& read, const NextData& next_data, const Sink& sink);

    /// The same for the stretch from `begin` to `end`, or to where the bytes end.
    std::uint64_t run_stretch(ChunkPolicy policy, EntryKind kind, std::uint64_t begin,
                              std::uint64_t end, const Reader& read, const Sink& sink);

private:
    std::uint64_t run_extent(const ChunkPolicy& policy, std::uint64_t begin, std::uint64_t end,
                             const Reader& read, const Sink& sink, bool& go_on);
    std::size_t cut(const ChunkPolicy& policy, ByteSpan window, bool at_end, std::uint64_t offset);
    std::size_t largest_chunk(const ChunkPolicy& policy);
    const Chunker& chunker(std::uint32_t average);

    Bytes cut_key_;
    ChunkerParameters standard_;
    std::map<std::uint32_t, std::unique_ptr<Chunker>> chunkers_;
    std::unique_ptr<std::uint8_t[]> buffer_;
    std::size_t capacity_ = 0;
};

/// What holds for an entry of a kind that leaves the policy open. Throws Error{invalid} for sizes
/// out of bounds (1 KiB to 4 MiB).
ChunkPolicy resolve_policy(ChunkPolicy policy, EntryKind kind, ChunkerParameters standard);

} // namespace backstay::core
