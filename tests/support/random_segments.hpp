#pragma once

#include "format/index_segment.hpp"
#include "support/random_records.hpp"

#include <algorithm>

namespace backstay::core
{

inline SegmentPack random_segment_pack(SeededNumbers& numbers, std::size_t key_records)
{
    SegmentPack pack;
    pack.id = random_id<PackId>(numbers);
    pack.size = 64 * MiB + numbers.below(max_pack_size - 64 * MiB);
    pack.frames.resize(numbers.below(4));
    for (SegmentFrame& frame : pack.frames) {
        frame.key_class = random_flag(numbers) ? KeyClass::meta : KeyClass::data;
        frame.key_record = static_cast<std::uint32_t>(numbers.below(key_records));
        randomize(numbers, frame.nonce);
        frame.encoding = random_flag(numbers) ? Encoding::raw : Encoding::zstd;
        frame.offset = numbers.below(32 * MiB);
        frame.stored_size =
            static_cast<std::uint32_t>(seal_overhead + numbers.below(max_frame_plain));
        frame.plain_size = static_cast<std::uint32_t>(numbers.below(max_frame_plain));
        frame.blobs = static_cast<std::uint32_t>(random_number(numbers));
    }
    return pack;
}

inline Checkpoint random_checkpoint(SeededNumbers& numbers)
{
    Checkpoint checkpoint;
    checkpoint.series = random_text(numbers);
    for (std::size_t left = numbers.below(4); left > 0; --left) {
        checkpoint.entry_logs.emplace_back(random_text(numbers), random_content(numbers));
    }
    return checkpoint;
}

inline SegmentFooter random_segment_footer(SeededNumbers& numbers)
{
    SegmentFooter footer;
    footer.session = random_id<SessionId>(numbers);
    footer.written = random_time(numbers);
    footer.block_key = random_key_record(numbers);
    footer.key_records.resize(1 + numbers.below(4));
    for (KeyRecord& record : footer.key_records) {
        record = random_key_record(numbers);
    }
    for (std::size_t left = numbers.below(4); left > 0; --left) {
        footer.packs.push_back(random_segment_pack(numbers, footer.key_records.size()));
    }
    if (random_flag(numbers)) {
        footer.checkpoint = random_checkpoint(numbers);
    }
    footer.blocks.resize(numbers.below(4));
    for (SegmentFooter::Block& block : footer.blocks) {
        block.first = random_id<BlobId>(numbers);
        block.offset = random_number(numbers);
        block.sealed_size = static_cast<std::uint32_t>(numbers.below(2 * segment_block_plain));
        block.entries = static_cast<std::uint32_t>(numbers.below(segment_block_plain));
        randomize(numbers, block.nonce);
        randomize(numbers, block.digest);
    }
    std::sort(footer.blocks.begin(), footer.blocks.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return footer;
}

} // namespace backstay::core
