#pragma once

#include "base/worker_group.hpp"
#include "repo/blob_index.hpp"

#include <memory>

namespace backstay::core
{

struct BlobWriterOptions {
    int compression = 2;  ///< zstd's level; 0: raw
    unsigned threads = 2; ///< that compress and seal
    /// For frames and packs; packs shrink if need be. A store with several connections takes
    /// another pack's size for each but the first.
    std::uint64_t memory = 64 * MiB;
    /// --dry-run: everything but storing.
    bool discard = false;
};

struct BlobCounts {
    std::uint64_t blobs_new = 0;
    std::uint64_t bytes_new = 0;    ///< plain size of blobs that were not known
    std::uint64_t bytes_stored = 0; ///< packs and segments written
    std::uint64_t packs = 0;
};

/// Stores blobs: id, known?, into frames, compressed, sealed, opened again and compared, into
/// packs, stored, indexed. protocol.md, "Writer" 3 and 4. Data and metadata (every other kind) go
/// to separate packs. Lanes are for one thread each, everything else is thread-safe. Nothing is
/// promised before finish(); dropping a writer loses only work.
class BlobWriter
{
public:
    /// Works on threads of `group` (so their failure stops everything that hangs on it). All
    /// references must outlive it.
    BlobWriter(Repository& repository, const SessionId& session, BlobIndex& index,
               BlobWriterOptions options, WorkerGroup& group);
    ~BlobWriter();

    /// A producer's own place to gather frames in, so that what it stores in sequence lies in
    /// sequence.
    class Lane
    {
    public:
        virtual ~Lane() = default;
        struct Put {
            BlobId id;
            bool is_new;
        };
        /// Copies what it needs of `plain` (at most max_frame_plain bytes). May wait for room.
        /// Throws Error{cancelled} if the group was stopped.
        virtual Put put(BlobKind kind, ByteSpan plain) = 0;
        /// Hands over frames that are not full.
        virtual void flush() = 0;
    };
    std::unique_ptr<Lane> open_lane();

    /// Stores all frames handed over so far, waits until their packs are durable, publishes a
    /// segment (with `checkpoint`), and thereby says that the session lives.
    void publish(std::optional<Checkpoint> checkpoint);

    /// publish() once more (if there is anything) and ends the threads' work. Requires: all lanes
    /// flushed and dropped.
    void finish();

    BlobCounts counts() const;

private:
    class WriterLane;
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace backstay::core
