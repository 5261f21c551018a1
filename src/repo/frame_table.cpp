#include "repo/frame_table.hpp"

#include <stdexcept>

namespace backstay::core
{

static_assert(max_pack_size <= UINT32_MAX); // so that offsets in packs take four bytes

void FrameTable::add(const SegmentPack& pack, const std::vector<KeyRecord>& records)
{
    std::vector<std::uint32_t> numbers;
    numbers.reserve(records.size());
    for (const KeyRecord& record : records) {
        numbers.push_back(number_of(record));
    }
    first_.push_back(rows_.size());
    for (const SegmentFrame& frame : pack.frames) {
        rows_.push_back({frame.nonce, numbers.at(frame.key_record),
                         static_cast<std::uint32_t>(frame.offset), frame.stored_size,
                         frame.plain_size, frame.blobs, frame.key_class, frame.encoding});
    }
}

std::uint32_t FrameTable::number_of(const KeyRecord& record)
{
    const auto [at, fresh] =
        record_numbers_.try_emplace(record, static_cast<std::uint32_t>(records_.size()));
    if (fresh) {
        records_.push_back(&at->first);
    }
    return at->second;
}

std::uint64_t FrameTable::end_of(std::uint32_t pack) const
{
    return pack + std::size_t{1} < first_.size() ? first_[pack + std::size_t{1}] : rows_.size();
}

IndexedFrame FrameTable::frame_of(const Row& row) const
{
    IndexedFrame frame;
    frame.key_class = row.key_class;
    frame.key_record = *records_[row.key_record];
    frame.nonce = row.nonce;
    frame.encoding = row.encoding;
    frame.offset = row.offset;
    frame.stored_size = row.stored_size;
    frame.plain_size = row.plain_size;
    frame.blobs = row.blobs;
    return frame;
}

IndexedFrame FrameTable::frame(std::uint32_t pack, std::uint32_t number) const
{
    const std::uint64_t at = first_.at(pack) + number;
    if (at >= end_of(pack)) {
        throw std::out_of_range("frame of a pack");
    }
    return frame_of(rows_[at]);
}

std::vector<IndexedFrame> FrameTable::frames(std::uint32_t pack) const
{
    std::vector<IndexedFrame> frames;
    for (std::uint64_t at = first_.at(pack); at < end_of(pack); ++at) {
        frames.push_back(frame_of(rows_[at]));
    }
    return frames;
}

} // namespace backstay::core
