#pragma once

#include "base/clock.hpp"
#include "format/content.hpp"
#include "format/pack.hpp"

#include <optional>
#include <string>
#include <vector>

namespace backstay::core {

/// A pack as a segment tells it: what its directory says, less the blobs' ids, which stand in the entries.
struct SegmentFrame {
    KeyClass key_class = KeyClass::data;
    std::uint32_t key_record = 0; ///< which of the segment's
    Nonce nonce{};
    Encoding encoding = Encoding::raw;
    std::uint64_t offset = 0; ///< in the pack
    std::uint32_t stored_size = 0;
    std::uint32_t plain_size = 0;
    std::uint32_t blobs = 0;  ///< how many the frame holds, known or not
    bool operator==(const SegmentFrame&) const = default;
};
struct SegmentPack {
    PackId id{};
    std::uint64_t size = 0; ///< of the object
    std::vector<SegmentFrame> frames;
    bool operator==(const SegmentPack&) const = default;
};

/// Where a blob lies. Sorted by id, then pack, frame, offset.
struct SegmentEntry {
    BlobId id{};
    std::uint32_t pack = 0;  ///< which of the segment's
    std::uint32_t frame = 0; ///< which of the pack's
    std::uint32_t offset = 0; ///< in the frame's plain bytes
    std::uint32_t length = 0;
    BlobKind kind = BlobKind::data;
    auto operator<=>(const SegmentEntry&) const = default;
};

/// The state of a running backup, so that an interrupted one goes on: lists of entries finished so far (BlobKind::record), as streams.
struct Checkpoint {
    std::string series;           ///< of the snapshot to come
    std::vector<std::pair<std::string, Content>> entry_logs; ///< source name, stream of encoded entries finished since the session's last checkpoint
    bool operator==(const Checkpoint&) const = default;
};

/// The segment but for its entries.
struct SegmentFooter {
    SessionId session{};             ///< who wrote it; a collection has one, too
    Timestamp written;
    KeyRecord block_key; ///< what the entry blocks are sealed under
    std::vector<KeyRecord> key_records;
    std::vector<SegmentPack> packs;
    std::optional<Checkpoint> checkpoint;
    /// The entry blocks, in order: each sealed by itself, so that a cold reader gets one.
    struct Block {
        BlobId first{};
        std::uint64_t offset = 0;
        std::uint32_t sealed_size = 0;
        std::uint32_t entries = 0;
        Nonce nonce{};
        std::array<std::uint8_t, 32> digest{}; ///< SHA-256 of the sealed bytes: the footer's signature covers them
        bool operator==(const Block&) const = default;
    };
    std::vector<Block> blocks;
    bool operator==(const SegmentFooter&) const = default;
};

/// Object: entry blocks (sealed), then the footer's envelope (type segment, class index), then segment_trailer.
inline constexpr std::size_t segment_block_plain = 64 * KiB;
inline constexpr std::size_t segment_trailer_size = 16; ///< u64 size of the envelope, 8 bytes of magic
Bytes encode_segment_trailer(std::uint64_t envelope_size);
/// Throws Error{damaged}. Size of the envelope that lies before the trailer.
std::uint64_t decode_segment_trailer(ByteSpan last_bytes, std::uint64_t object_size);

Bytes encode_segment_footer(const SegmentFooter& footer);
SegmentFooter decode_segment_footer(ByteSpan plain);

/// Sorted entries cut into blocks of at most segment_block_plain bytes, and back. decode checks order and, against `footer`, bounds.
std::vector<Bytes> encode_segment_blocks(const std::vector<SegmentEntry>& sorted, std::vector<BlobId>& firsts, std::vector<std::uint32_t>& counts);
std::vector<SegmentEntry> decode_segment_block(ByteSpan plain, const SegmentFooter& footer, const SegmentFooter::Block& block);
/// What a block's nonce is computed from. With the offset, which is authenticated: equal blocks in two places share no nonce.
Bytes segment_block_identity(std::uint64_t offset, ByteSpan plain);
Bytes segment_block_associated_data(const RepositoryId& repository, const KeyRecord& record, const SegmentFooter::Block& block);

} // namespace backstay::core
