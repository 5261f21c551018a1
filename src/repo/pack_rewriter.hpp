#pragma once

#include "repo/blob_index.hpp"

#include <memory>
#include <stop_token>
#include <vector>

namespace backstay::core
{

/// Packs made from what other packs hold: whole frames copied as they are, or single blobs
/// compressed and sealed anew. For collections; knows no index and deduplicates nothing. One thread
/// at a time.
class PackRewriter
{
public:
    enum class Contents { data, metadata };
    PackRewriter(Repository& repository, Contents contents, int compression);
    ~PackRewriter();

    /// A frame whose stored bytes these are; `blobs` are what is in it, in its order.
    void add_frame(const IndexedFrame& frame, std::vector<FrameBlob> blobs, ByteSpan stored,
                   const std::stop_token& stop);
    /// Of the class that the rewriter's contents have.
    void add_blob(const BlobId& id, BlobKind kind, ByteSpan plain, const std::stop_token& stop);

    /// What was stored, for a segment.
    struct Stored {
        std::vector<KeyRecord> key_records;
        std::vector<SegmentPack> packs;
        std::vector<SegmentEntry> entries;
        std::uint64_t bytes = 0;

        /// Numbers of packs and key records of `more` go on behind those that are there.
        void append(Stored more);
    };
    /// Stores what is left.
    Stored finish(const std::stop_token& stop);

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
