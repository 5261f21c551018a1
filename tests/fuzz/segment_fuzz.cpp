#include "canonical.hpp"
#include "choice.hpp"
#include "format/index_segment.hpp"

using namespace backstay::core;

namespace
{

/// Two packs of two frames each, for a block to point into.
SegmentFooter footer()
{
    SegmentFooter footer;
    footer.packs.resize(2);
    for (SegmentPack& pack : footer.packs) {
        pack.frames.resize(2);
        for (SegmentFrame& frame : pack.frames) {
            frame.plain_size = 100'000;
        }
    }
    return footer;
}

Bytes encode_block(const std::vector<SegmentEntry>& entries)
{
    std::vector<BlobId> firsts;
    std::vector<std::uint32_t> counts;
    Bytes all;
    for (const Bytes& block : encode_segment_blocks(entries, firsts, counts)) {
        append(all, block);
    }
    return all;
}

/// The footer says of the block what its first two bytes and its first id are.
void read_block(ByteSpan bytes)
{
    if (bytes.size() < 2) {
        return;
    }
    SegmentFooter::Block block;
    block.entries = bytes[0] | static_cast<std::uint32_t>(bytes[1]) << 8U;
    const ByteSpan plain = bytes.subspan(2);
    if (plain.size() >= sizeof block.first.bytes) {
        block.first = BlobId::from(plain.first(sizeof block.first.bytes));
    }
    const auto decode = [&block](ByteSpan from) {
        return decode_segment_block(from, footer(), block);
    };
    demand_one_form(plain, decode, encode_block);
}

void read_trailer(ByteSpan bytes)
{
    for (const std::uint64_t object_size :
         {std::uint64_t{0}, std::uint64_t{bytes.size()}, UINT64_MAX}) {
        accepts([&] {
            if (decode_segment_trailer(bytes, object_size) > object_size - segment_trailer_size) {
                found("an envelope lies outside of its object");
            }
        });
    }
}

} // namespace

// An input is what to read (1 byte: footer, block, trailer) and its bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return read_by_choice(data, size,
                          {[](ByteSpan bytes) {
                               demand_one_form(bytes, decode_segment_footer, encode_segment_footer);
                           },
                           read_block, read_trailer});
}
