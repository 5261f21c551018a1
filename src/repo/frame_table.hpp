#pragma once

#include "format/index_segment.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace backstay::core
{

struct IndexedFrame {
    KeyClass key_class = KeyClass::data;
    KeyRecord key_record;
    Nonce nonce{};
    Encoding encoding = Encoding::raw;
    std::uint64_t offset = 0;
    std::uint32_t stored_size = 0;
    std::uint32_t plain_size = 0;
    std::uint32_t blobs = 0;
};

/// The frames of packs, 36 bytes each: key records, of which many frames share one, are kept once.
/// Packs are numbered in the order they come. Not thread-safe.
class FrameTable
{
public:
    /// `records`: what `pack.frames` refer to. Throws std::out_of_range for a reference to none.
    void add(const SegmentPack& pack, const std::vector<KeyRecord>& records);

    std::uint32_t packs() const { return static_cast<std::uint32_t>(first_.size()); }
    /// Throw std::out_of_range.
    IndexedFrame frame(std::uint32_t pack, std::uint32_t number) const;
    std::vector<IndexedFrame> frames(std::uint32_t pack) const;

private:
    struct Row {
        Nonce nonce;
        std::uint32_t key_record;
        std::uint32_t offset;
        std::uint32_t stored_size;
        std::uint32_t plain_size;
        std::uint32_t blobs;
        KeyClass key_class;
        Encoding encoding;
    };
    std::uint32_t number_of(const KeyRecord& record);
    std::uint64_t end_of(std::uint32_t pack) const;
    IndexedFrame frame_of(const Row& row) const;

    std::deque<Row> rows_;
    std::vector<std::uint64_t> first_; ///< row of each pack
    std::map<KeyRecord, std::uint32_t> record_numbers_;
    std::vector<const KeyRecord*> records_; ///< keys of the map
};

} // namespace backstay::core
