#include "format/index_segment.hpp"

#include "format/encoding.hpp"
#include "format/envelope.hpp"
#include "support/hostile_bytes.hpp"
#include "support/random_records.hpp"
#include "support/random_segments.hpp"

using namespace backstay::core;

namespace
{

SegmentFrame sample_frame()
{
    SegmentFrame frame;
    frame.key_class = KeyClass::meta;
    frame.nonce.fill(0x22);
    frame.encoding = Encoding::zstd;
    frame.offset = 8;
    frame.stored_size = 100;
    frame.plain_size = 300;
    frame.blobs = 2;
    return frame;
}

/// One pack of one frame, one block of one entry, and a checkpoint.
SegmentFooter sample()
{
    SegmentFooter footer;
    footer.session = id_of<SessionId>(0x66);
    footer.written = {1, 2};
    footer.block_key = {KeyRecord::Kind::salt, 1, Bytes(32, 0x11)};
    footer.key_records = {{KeyRecord::Kind::wrapped, 2, Bytes(80, 0x12)}};
    footer.packs = {{id_of<PackId>(0x77), 500, {sample_frame()}}};
    footer.checkpoint = Checkpoint{"s", {{"files", {0, {{5, id_of<BlobId>(0x33)}}}}}};
    SegmentFooter::Block block;
    block.first = id_of<BlobId>(0x44);
    block.sealed_size = 60;
    block.entries = 1;
    block.nonce.fill(0x55);
    block.digest.fill(0x88);
    footer.blocks = {block};
    return footer;
}

SegmentEntry sample_entry()
{
    SegmentEntry entry;
    entry.id = id_of<BlobId>(0x44);
    entry.offset = 200;
    entry.length = 100;
    entry.kind = BlobKind::tree_node;
    return entry;
}

Bytes encoded(const std::vector<SegmentEntry>& entries)
{
    std::vector<BlobId> firsts;
    std::vector<std::uint32_t> counts;
    const std::vector<Bytes> blocks = encode_segment_blocks(entries, firsts, counts);
    REQUIRE(blocks.size() == 1);
    return blocks.front();
}

/// Whether these entries, as the only block of sample(), are refused.
bool refused(const std::vector<SegmentEntry>& entries)
{
    SegmentFooter::Block block;
    block.first = entries.front().id;
    block.entries = static_cast<std::uint32_t>(entries.size());
    return is_refused(encoded(entries),
                      [&](ByteSpan bytes) { return decode_segment_block(bytes, sample(), block); });
}

bool footer_is_refused(const SegmentFooter& footer)
{
    return is_refused(encode_segment_footer(footer), decode_segment_footer);
}

} // namespace

TEST_CASE("a segment's footer has the bytes that the format says")
{
    CHECK(to_hex(encode_segment_footer(sample())) ==
          repeated_hex(0x66, 32) + "0202" + "0101" + repeated_hex(0x11, 32) + "01" + "0202" +
              repeated_hex(0x12, 80) + "01" + repeated_hex(0x77, 32) + "f403" + "01" + "0200" +
              repeated_hex(0x22, 12) + "01" + "08" + "64" + "ac02" + "02" + "01" + "0173" + "01" +
              "0566696c6573" + "00010a" + repeated_hex(0x33, 32) + "01" + repeated_hex(0x44, 32) +
              "00" + "3c" + "01" + repeated_hex(0x55, 12) + repeated_hex(0x88, 32));
}

TEST_CASE("a segment's block has the bytes that the format says")
{
    CHECK(to_hex(encoded({sample_entry()})) == repeated_hex(0x44, 32) + "0000c8016402");
}

TEST_CASE("footers of segments come back")
{
    CHECK(decode_segment_footer(encode_segment_footer(SegmentFooter())) == SegmentFooter());
    SeededNumbers numbers(11);
    for (int i = 0; i < 300; ++i) {
        const SegmentFooter footer = random_segment_footer(numbers);
        const Bytes bytes = encode_segment_footer(footer);
        CHECK(decode_segment_footer(bytes) == footer);
        CHECK(encode_segment_footer(decode_segment_footer(bytes)) == bytes);
    }
}

TEST_CASE("a damaged footer of a segment is refused or is another one")
{
    const Bytes bytes = encode_segment_footer(sample());
    CHECK(refuses_every_truncation(bytes, decode_segment_footer));
    CHECK(withstands_every_changed_byte(bytes, decode_segment_footer, encode_segment_footer));
}

TEST_CASE("blocks of a segment hold all entries in order, and none is too large")
{
    SeededNumbers numbers(12);
    SegmentFooter footer = sample();
    footer.packs.front().frames.front().plain_size = max_frame_plain;
    std::vector<SegmentEntry> sorted(5000);
    for (SegmentEntry& entry : sorted) {
        entry.id = random_id<BlobId>(numbers);
        entry.offset = static_cast<std::uint32_t>(numbers.below(8 * MiB));
        entry.length = static_cast<std::uint32_t>(numbers.below(8 * MiB));
        entry.kind = static_cast<BlobKind>(1 + numbers.below(4));
    }
    std::sort(sorted.begin(), sorted.end());

    std::vector<BlobId> firsts;
    std::vector<std::uint32_t> counts;
    const std::vector<Bytes> blocks = encode_segment_blocks(sorted, firsts, counts);
    REQUIRE(firsts.size() == blocks.size());
    REQUIRE(counts.size() == blocks.size());
    CHECK(blocks.size() > 1);
    std::vector<SegmentEntry> back;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        CHECK(blocks[i].size() <= segment_block_plain);
        SegmentFooter::Block block;
        block.first = firsts[i];
        block.entries = counts[i];
        const auto entries = decode_segment_block(blocks[i], footer, block);
        back.insert(back.end(), entries.begin(), entries.end());
    }
    CHECK(back == sorted);
}

TEST_CASE("a segment without entries has no blocks")
{
    std::vector<BlobId> firsts(1);
    std::vector<std::uint32_t> counts(1);
    CHECK(encode_segment_blocks({}, firsts, counts).empty());
    CHECK(firsts.empty());
    CHECK(counts.empty());
}

TEST_CASE("a damaged block of a segment is refused or is another one")
{
    SegmentEntry second = sample_entry();
    second.id = id_of<BlobId>(0x45);
    const Bytes bytes = encoded({sample_entry(), second});
    SegmentFooter::Block block = sample().blocks.front();
    block.entries = 2;
    const auto decode = [&](ByteSpan from) { return decode_segment_block(from, sample(), block); };
    CHECK(refuses_every_truncation(bytes, decode));
    CHECK(withstands_every_changed_byte(bytes, decode, encoded));
}

TEST_CASE("a blob that lies outside of its frame is refused")
{
    CHECK_FALSE(refused({sample_entry()}));
    SegmentEntry entry = sample_entry();
    entry.pack = 1;
    CHECK(refused({entry}));
    entry = sample_entry();
    entry.frame = 1;
    CHECK(refused({entry}));
    entry = sample_entry();
    entry.length += 1;
    CHECK(refused({entry}));
    entry.offset = max_frame_plain;
    entry.length = max_frame_plain;
    CHECK(refused({entry}));
}

TEST_CASE("a segment's entries that are out of order or stand twice are refused")
{
    SegmentEntry later = sample_entry();
    later.id = id_of<BlobId>(0x45);
    CHECK_FALSE(refused({sample_entry(), later}));
    CHECK(refused({later, sample_entry()}));
    CHECK(refused({sample_entry(), sample_entry()}));
}

TEST_CASE("a block that is not the one which the footer means is refused")
{
    const Bytes bytes = encoded({sample_entry()});
    SegmentFooter::Block block = sample().blocks.front();
    const auto decode = [&](ByteSpan from) { return decode_segment_block(from, sample(), block); };
    CHECK_FALSE(is_refused(bytes, decode));
    block.entries = 2;
    CHECK(is_refused(bytes, decode));
    block.entries = 1;
    block.first = id_of<BlobId>(0x43);
    CHECK(is_refused(bytes, decode));
}

TEST_CASE("a block that claims more entries than it holds takes no memory for them")
{
    SegmentFooter::Block block;
    block.entries = UINT32_MAX;
    CHECK(is_refused(encoded({sample_entry()}),
                     [&](ByteSpan bytes) { return decode_segment_block(bytes, sample(), block); }));
}

TEST_CASE("a segment's frame that lies outside of its pack, or of no class of frames, is refused")
{
    const auto with = [](auto change) {
        SegmentFooter footer = sample();
        change(footer.packs.front().frames.front());
        return footer_is_refused(footer);
    };
    CHECK_FALSE(with([](SegmentFrame& frame) { frame.offset = 400; }));
    CHECK(with([](SegmentFrame& frame) { frame.offset = 401; }));
    CHECK(with([](SegmentFrame& frame) { frame.offset = UINT64_MAX; }));
    CHECK(with([](SegmentFrame& frame) { frame.stored_size = seal_overhead - 1; }));
    CHECK(with([](SegmentFrame& frame) { frame.plain_size = max_frame_plain + 1; }));
    CHECK(with([](SegmentFrame& frame) { frame.key_record = 1; }));
    CHECK(with([](SegmentFrame& frame) { frame.key_class = KeyClass::open; }));
    CHECK(with([](SegmentFrame& frame) { frame.key_class = KeyClass::index; }));
    CHECK(with([](SegmentFrame& frame) { frame.encoding = static_cast<Encoding>(2); }));
}

TEST_CASE("a segment's footer beyond the limits is refused")
{
    SegmentFooter footer = sample();
    footer.packs.front().size = max_pack_size + 1;
    CHECK(footer_is_refused(footer));
    footer = sample();
    footer.blocks.front().sealed_size = 2 * segment_block_plain + 1;
    CHECK(footer_is_refused(footer));
    footer = sample();
    footer.blocks.push_back(footer.blocks.front());
    footer.blocks.back().first = id_of<BlobId>(0x43);
    CHECK(footer_is_refused(footer));
    footer = sample();
    footer.checkpoint->series = std::string(257, 's');
    CHECK(footer_is_refused(footer));
}

TEST_CASE("a segment's footer that claims more than it holds is refused")
{
    const std::string head = repeated_hex(0, 32) + "0000" + "00";
    const std::string endless = "ffffffffffffffffff01";
    for (const std::string& rest :
         {endless, "00" + endless, "0001" + repeated_hex(0, 32) + "00" + endless,
          "00000100" + endless, "000000" + endless, std::string("000002")}) {
        CAPTURE(rest);
        CHECK(is_refused(*from_hex(head + rest), decode_segment_footer));
    }
    CHECK_FALSE(is_refused(*from_hex(head + "00000000"), decode_segment_footer));
}

TEST_CASE("a segment's trailer has the bytes that the format says")
{
    CHECK(to_hex(encode_segment_trailer(0x0102)) == "0201000000000000"
                                                    "4253545953454730");
}

TEST_CASE("a segment's trailer that does not fit the object is refused")
{
    const auto size_in = [](std::uint64_t size, std::uint64_t object_size) {
        return decoded_or_refused(encode_segment_trailer(size), [&](ByteSpan bytes) {
            return decode_segment_trailer(bytes, object_size);
        });
    };
    CHECK(size_in(84, 100) == 84);
    CHECK_FALSE(size_in(85, 100).has_value());
    CHECK_FALSE(size_in(UINT64_MAX, 100).has_value());
    CHECK_FALSE(size_in(0, 15).has_value());
    CHECK(size_in(max_envelope_size, UINT64_MAX) == max_envelope_size);
    CHECK_FALSE(size_in(max_envelope_size + 1, UINT64_MAX).has_value());
    CHECK(refuses_every_truncation(encode_segment_trailer(84), [](ByteSpan bytes) {
        return decode_segment_trailer(bytes, 100);
    }));
}

TEST_CASE("what is authenticated beside a block changes with its place")
{
    const auto here = id_of<RepositoryId>(1);
    const KeyRecord key = sample().block_key;
    const SegmentFooter::Block block = sample().blocks.front();
    const Bytes original = segment_block_associated_data(here, key, block);
    CHECK(segment_block_associated_data(id_of<RepositoryId>(2), key, block) != original);
    CHECK(segment_block_associated_data(here, KeyRecord{}, block) != original);
    SegmentFooter::Block other = block;
    other.offset = 1;
    CHECK(segment_block_associated_data(here, key, other) != original);
    other = block;
    other.first = id_of<BlobId>(1);
    CHECK(segment_block_associated_data(here, key, other) != original);
    other = block;
    other.entries = 2;
    CHECK(segment_block_associated_data(here, key, other) != original);
}

TEST_CASE("equal blocks in two places of a segment get different nonces")
{
    const Bytes plain = encoded({sample_entry()});
    CHECK(segment_block_identity(0, plain) != segment_block_identity(1, plain));
    CHECK(to_hex(segment_block_identity(0x0102, {plain.data(), 1})) == "0201000000000000"
                                                                       "44");
}
