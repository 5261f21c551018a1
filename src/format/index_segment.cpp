#include "format/index_segment.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"
#include "format/envelope.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::string_view trailer_magic =
    "BSTYSEG0"; ///< the last character is the format's version
constexpr std::string_view block_label = "backstay 0 index block";
constexpr std::size_t max_sources = 4096;
constexpr std::size_t max_source_name = 4096;
constexpr std::size_t max_series_name = 256;
constexpr std::size_t most_entry_size = 32 + 1 + 4 * 5;

void copy_raw(Decoder& from, MutableByteSpan to)
{
    const ByteSpan bytes = from.raw(to.size());
    std::copy(bytes.begin(), bytes.end(), to.begin());
}

void encode_frame(Encoder& to, const SegmentFrame& frame)
{
    to.u8(static_cast<std::uint8_t>(frame.key_class));
    to.varint(frame.key_record);
    to.raw(frame.nonce);
    to.u8(static_cast<std::uint8_t>(frame.encoding));
    to.varint(frame.offset);
    to.varint(frame.stored_size);
    to.varint(frame.plain_size);
    to.varint(frame.blobs);
}

SegmentFrame decode_frame(Decoder& from, std::size_t key_records, std::uint64_t pack_size)
{
    SegmentFrame frame;
    const std::uint8_t key_class = from.u8();
    frame.key_record = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
    copy_raw(from, frame.nonce);
    const std::uint8_t encoding = from.u8();
    frame.offset = from.varint(max_pack_size);
    frame.stored_size = static_cast<std::uint32_t>(from.varint(max_frame_plain + seal_overhead));
    frame.plain_size = static_cast<std::uint32_t>(from.varint(max_frame_plain));
    frame.blobs = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
    const bool right_class = key_class == static_cast<std::uint8_t>(KeyClass::meta) ||
                             key_class == static_cast<std::uint8_t>(KeyClass::data);
    const bool fits = frame.offset + frame.stored_size <= pack_size &&
                      frame.stored_size >= seal_overhead && frame.key_record < key_records;
    if (!right_class || encoding > static_cast<std::uint8_t>(Encoding::zstd) || !fits) {
        from.fail("a frame's numbers are out of bounds");
    }
    frame.key_class = static_cast<KeyClass>(key_class);
    frame.encoding = static_cast<Encoding>(encoding);
    return frame;
}

void encode_checkpoint(Encoder& to, const Checkpoint& checkpoint)
{
    to.text(checkpoint.series);
    to.varint(checkpoint.entry_logs.size());
    for (const auto& [name, log] : checkpoint.entry_logs) {
        to.text(name);
        encode_content(to, log);
    }
}

Checkpoint decode_checkpoint(Decoder& from)
{
    Checkpoint checkpoint;
    checkpoint.series = from.text(max_series_name);
    const std::size_t count = from.count(3);
    if (count > max_sources) {
        from.fail("its checkpoint has too many sources");
    }
    for (std::size_t i = 0; i < count; ++i) {
        std::string name = from.text(max_source_name);
        checkpoint.entry_logs.emplace_back(std::move(name), decode_content(from, max_inline_items));
    }
    return checkpoint;
}

SegmentPack decode_pack(Decoder& from, std::size_t key_records)
{
    SegmentPack pack;
    pack.id = from.id<PackId>();
    pack.size = from.varint(max_pack_size);
    constexpr std::size_t least_frame = 1 + 1 + 12 + 1 + 1 + 1 + 1 + 1;
    const std::size_t frames = from.count(least_frame);
    pack.frames.reserve(frames);
    for (std::size_t i = 0; i < frames; ++i) {
        pack.frames.push_back(decode_frame(from, key_records, pack.size));
    }
    return pack;
}

SegmentFooter::Block decode_block(Decoder& from)
{
    SegmentFooter::Block block;
    block.first = from.id<BlobId>();
    block.offset = from.varint();
    block.sealed_size = static_cast<std::uint32_t>(from.varint(2 * segment_block_plain));
    block.entries = static_cast<std::uint32_t>(from.varint(segment_block_plain));
    copy_raw(from, block.nonce);
    copy_raw(from, block.digest);
    return block;
}

} // namespace

Bytes encode_segment_trailer(std::uint64_t envelope_size)
{
    Bytes out;
    Encoder to(out);
    to.u64(envelope_size);
    to.raw(as_bytes(trailer_magic));
    return out;
}

std::uint64_t decode_segment_trailer(ByteSpan last_bytes, std::uint64_t object_size)
{
    Decoder from(last_bytes.size() >= segment_trailer_size ? last_bytes.last(segment_trailer_size)
                                                           : ByteSpan(),
                 "trailer of an index segment");
    const std::uint64_t size = from.u64();
    if (!equal(from.raw(trailer_magic.size()), as_bytes(trailer_magic)) ||
        object_size < segment_trailer_size || size > object_size - segment_trailer_size ||
        size > max_envelope_size) {
        from.fail("it does not fit the object");
    }
    return size;
}

Bytes encode_segment_footer(const SegmentFooter& footer)
{
    Bytes out;
    Encoder to(out);
    to.id(footer.session);
    to.time(footer.written);
    encode_key_record(to, footer.block_key);
    to.varint(footer.key_records.size());
    for (const KeyRecord& record : footer.key_records) {
        encode_key_record(to, record);
    }
    to.varint(footer.packs.size());
    for (const SegmentPack& pack : footer.packs) {
        to.id(pack.id);
        to.varint(pack.size);
        to.varint(pack.frames.size());
        for (const SegmentFrame& frame : pack.frames) {
            encode_frame(to, frame);
        }
    }
    to.u8(footer.checkpoint ? 1 : 0);
    if (footer.checkpoint) {
        encode_checkpoint(to, *footer.checkpoint);
    }
    to.varint(footer.blocks.size());
    for (const SegmentFooter::Block& block : footer.blocks) {
        to.id(block.first);
        to.varint(block.offset);
        to.varint(block.sealed_size);
        to.varint(block.entries);
        to.raw(block.nonce);
        to.raw(block.digest);
    }
    return out;
}

SegmentFooter decode_segment_footer(ByteSpan plain)
{
    Decoder from(plain, "footer of an index segment");
    SegmentFooter footer;
    footer.session = from.id<SessionId>();
    footer.written = from.time();
    footer.block_key = decode_key_record(from);
    for (std::size_t left = from.count(1); left > 0; --left) {
        footer.key_records.push_back(decode_key_record(from));
    }
    constexpr std::size_t least_pack = 32 + 1 + 1;
    const std::size_t packs = from.count(least_pack);
    footer.packs.reserve(packs);
    for (std::size_t i = 0; i < packs; ++i) {
        footer.packs.push_back(decode_pack(from, footer.key_records.size()));
    }
    const std::uint8_t has_checkpoint = from.u8();
    if (has_checkpoint > 1) {
        from.fail("it has a flag that is neither set nor not");
    }
    if (has_checkpoint == 1) {
        footer.checkpoint = decode_checkpoint(from);
    }
    constexpr std::size_t least_block = 32 + 1 + 1 + 1 + 12 + 32;
    for (std::size_t left = from.count(least_block); left > 0; --left) {
        footer.blocks.push_back(decode_block(from));
        const std::size_t count = footer.blocks.size();
        if (count > 1 && footer.blocks[count - 1].first < footer.blocks[count - 2].first) {
            from.fail("its blocks are out of order");
        }
    }
    from.finish();
    return footer;
}

std::vector<Bytes> encode_segment_blocks(const std::vector<SegmentEntry>& sorted,
                                         std::vector<BlobId>& firsts,
                                         std::vector<std::uint32_t>& counts)
{
    std::vector<Bytes> blocks;
    firsts.clear();
    counts.clear();
    for (const SegmentEntry& entry : sorted) {
        if (blocks.empty() || blocks.back().size() + most_entry_size > segment_block_plain) {
            blocks.emplace_back();
            blocks.back().reserve(segment_block_plain);
            firsts.push_back(entry.id);
            counts.push_back(0);
        }
        Encoder to(blocks.back());
        to.id(entry.id);
        to.varint(entry.pack);
        to.varint(entry.frame);
        to.varint(entry.offset);
        to.varint(entry.length);
        to.u8(static_cast<std::uint8_t>(entry.kind));
        ++counts.back();
    }
    return blocks;
}

std::vector<SegmentEntry> decode_segment_block(ByteSpan plain, const SegmentFooter& footer,
                                               const SegmentFooter::Block& block)
{
    Decoder from(plain, "block of an index segment");
    std::vector<SegmentEntry> entries;
    entries.reserve(std::min<std::size_t>(block.entries, plain.size() / 32));
    while (!from.at_end()) {
        SegmentEntry entry;
        entry.id = from.id<BlobId>();
        entry.pack = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
        entry.frame = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
        entry.offset = static_cast<std::uint32_t>(from.varint(max_frame_plain));
        entry.length = static_cast<std::uint32_t>(from.varint(max_frame_plain));
        const std::uint8_t kind = from.u8();
        if (kind < static_cast<std::uint8_t>(BlobKind::data) ||
            kind > static_cast<std::uint8_t>(BlobKind::record)) {
            from.fail("a blob is of an unknown kind");
        }
        entry.kind = static_cast<BlobKind>(kind);
        const bool placed = entry.pack < footer.packs.size() &&
                            entry.frame < footer.packs[entry.pack].frames.size() &&
                            std::uint64_t{entry.offset} + entry.length <=
                                footer.packs[entry.pack].frames[entry.frame].plain_size;
        if (!placed) {
            from.fail("a blob lies where there is no frame");
        }
        if (!entries.empty() && !(entries.back() < entry)) {
            from.fail("its blobs are out of order");
        }
        entries.push_back(entry);
    }
    if (entries.size() != block.entries ||
        (!entries.empty() && entries.front().id != block.first)) {
        from.fail("it is not what the footer says");
    }
    return entries;
}

Bytes segment_block_identity(std::uint64_t offset, ByteSpan plain)
{
    Bytes out;
    Encoder to(out);
    to.u64(offset);
    to.raw(plain);
    return out;
}

Bytes segment_block_associated_data(const RepositoryId& repository, const KeyRecord& record,
                                    const SegmentFooter::Block& block)
{
    Bytes out;
    Encoder to(out);
    to.text(block_label);
    to.id(repository);
    encode_key_record(to, record);
    to.id(block.first);
    to.varint(block.offset);
    to.varint(block.entries);
    to.raw(block.nonce);
    return out;
}

} // namespace backstay::core
