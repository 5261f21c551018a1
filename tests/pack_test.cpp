#include "format/pack.hpp"

#include "format/encoding.hpp"
#include "support/hostile_bytes.hpp"
#include "support/random_records.hpp"

using namespace backstay::core;

namespace
{

Frame sample_frame()
{
    Frame frame;
    frame.key_class = KeyClass::meta;
    frame.nonce.fill(0x22);
    frame.encoding = Encoding::zstd;
    frame.stored_size = 100;
    frame.plain_size = 300;
    frame.blobs = {{id_of<BlobId>(0x33), BlobKind::tree_node, 200},
                   {id_of<BlobId>(0x44), BlobKind::list_node, 100}};
    return frame;
}

PackDirectory sample()
{
    PackDirectory directory;
    directory.random.fill(0x55);
    directory.key_records = {{KeyRecord::Kind::salt, 1, Bytes(32, 0x11)}};
    directory.frames = {sample_frame()};
    return directory;
}

Frame random_frame(SeededNumbers& numbers, std::size_t key_records)
{
    Frame frame;
    frame.key_class = random_flag(numbers) ? KeyClass::meta : KeyClass::data;
    frame.key_record = static_cast<std::uint32_t>(numbers.below(key_records));
    randomize(numbers, frame.nonce);
    frame.encoding = random_flag(numbers) ? Encoding::raw : Encoding::zstd;
    frame.stored_size = static_cast<std::uint32_t>(seal_overhead + numbers.below(1 * MiB));
    frame.blobs.resize(numbers.below(4));
    for (FrameBlob& blob : frame.blobs) {
        blob.id = random_id<BlobId>(numbers);
        blob.kind = static_cast<BlobKind>(1 + numbers.below(4));
        blob.length = static_cast<std::uint32_t>(numbers.below(1 * MiB));
        frame.plain_size += blob.length;
    }
    return frame;
}

PackDirectory random_directory(SeededNumbers& numbers)
{
    PackDirectory directory;
    randomize(numbers, directory.random);
    directory.key_records.resize(1 + numbers.below(4));
    for (KeyRecord& record : directory.key_records) {
        record = random_key_record(numbers);
    }
    directory.frames.resize(numbers.below(4));
    for (Frame& frame : directory.frames) {
        frame = random_frame(numbers, directory.key_records.size());
    }
    return directory;
}

bool refused(const Frame& frame)
{
    PackDirectory directory = sample();
    directory.frames = {frame};
    return is_refused(encode_pack_directory(directory), decode_pack_directory);
}

constexpr std::uint64_t object_size = 1000;

/// As the trailer of an object of object_size bytes.
bool trailer_is_accepted(const PackTrailer& trailer)
{
    return decode_pack_trailers(encode_pack_trailers(trailer), object_size).has_value();
}

} // namespace

TEST_CASE("a pack's directory has the bytes that the format says")
{
    CHECK(to_hex(encode_pack_directory(sample())) ==
          repeated_hex(0x55, 16) + "01" + "0101" + repeated_hex(0x11, 32) + "01" + "0200" +
              repeated_hex(0x22, 12) + "01" + "64" + "ac02" + "02" + repeated_hex(0x33, 32) +
              "02c801" + repeated_hex(0x44, 32) + "0364");
    CHECK(as_text(pack_header()) == "BSTYPCK0");
    CHECK(pack_header().size() == pack_header_size);
}

TEST_CASE("directories of packs come back")
{
    CHECK(decode_pack_directory(encode_pack_directory(sample())) == sample());
    SeededNumbers numbers(8);
    for (int i = 0; i < 300; ++i) {
        const PackDirectory directory = random_directory(numbers);
        const Bytes bytes = encode_pack_directory(directory);
        CHECK(decode_pack_directory(bytes) == directory);
        CHECK(encode_pack_directory(decode_pack_directory(bytes)) == bytes);
    }
}

TEST_CASE("a damaged directory of a pack is refused or is another one")
{
    const Bytes bytes = encode_pack_directory(sample());
    CHECK(refuses_every_truncation(bytes, decode_pack_directory));
    CHECK(withstands_every_changed_byte(bytes, decode_pack_directory, encode_pack_directory));
}

TEST_CASE("a frame whose numbers do not fit each other is refused")
{
    CHECK_FALSE(refused(sample_frame()));
    Frame frame = sample_frame();
    frame.key_record = 1; // there is one
    CHECK(refused(frame));
    frame = sample_frame();
    frame.plain_size += 1; // not the sum of its blobs
    CHECK(refused(frame));
    frame = sample_frame();
    frame.stored_size = seal_overhead - 1; // no room for the tag
    CHECK(refused(frame));
    for (const KeyClass key_class : {KeyClass::open, KeyClass::index}) {
        frame = sample_frame();
        frame.key_class = key_class;
        CHECK(refused(frame));
    }
    frame = sample_frame();
    frame.encoding = static_cast<Encoding>(2);
    CHECK(refused(frame));
    frame = sample_frame();
    frame.blobs[0].kind = static_cast<BlobKind>(5);
    CHECK(refused(frame));
}

TEST_CASE("a frame larger than what a reader takes is refused")
{
    Frame frame = sample_frame();
    frame.blobs = {{id_of<BlobId>(1), BlobKind::data, max_frame_plain}};
    frame.plain_size = max_frame_plain;
    frame.stored_size = max_frame_plain + seal_overhead;
    CHECK_FALSE(refused(frame));
    frame.stored_size += 1;
    CHECK(refused(frame));
    frame.stored_size -= 1;
    frame.blobs.push_back({id_of<BlobId>(2), BlobKind::data, 1});
    frame.plain_size += 1;
    CHECK(refused(frame));
}

TEST_CASE("a directory of a pack that claims more than it holds is refused")
{
    const std::string random = repeated_hex(0, 16);
    const std::string endless = "ffffffffffffffffff01";
    CHECK(is_refused(*from_hex(random + endless), decode_pack_directory));
    CHECK(is_refused(*from_hex(random + "00" + endless), decode_pack_directory));
    CHECK(is_refused(
        *from_hex(random + "0100" + "01" + "0200" + repeated_hex(0, 12) + "001000" + endless),
        decode_pack_directory));
}

TEST_CASE("a pack's trailer has the bytes that the format says, twice")
{
    const Bytes both = encode_pack_trailers({0x0102, 0x03, 0});
    REQUIRE(both.size() == 2 * pack_trailer_size);
    CHECK(equal(ByteSpan(both).first(pack_trailer_size), ByteSpan(both).last(pack_trailer_size)));
    CHECK(to_hex(ByteSpan(both).first(32)) == "42535459454e4430"
                                              "0201000000000000"
                                              "0300000000000000"
                                              "0000000000000000");
}

TEST_CASE("a pack's trailer is found whatever byte of it is bad")
{
    const PackTrailer trailer{100, 500, 0};
    const Bytes good = encode_pack_trailers(trailer);
    for (std::size_t at = 0; at < good.size(); ++at) {
        Bytes bad = good;
        bad[at] ^= 0x10;
        CHECK(decode_pack_trailers(bad, object_size) == trailer);
        bad[(at + pack_trailer_size) % bad.size()] ^= 0x10; // the other copy, too
        CHECK_FALSE(decode_pack_trailers(bad, object_size).has_value());
    }
}

TEST_CASE("a pack's trailer that does not fit the object is not taken")
{
    const std::uint64_t room = object_size - 2 * pack_trailer_size;
    CHECK(trailer_is_accepted({pack_header_size, room - pack_header_size, 0}));
    CHECK(trailer_is_accepted({room, 0, 0}));
    CHECK_FALSE(trailer_is_accepted({pack_header_size - 1, 10, 0}));
    CHECK_FALSE(trailer_is_accepted({pack_header_size, room - pack_header_size + 1, 0}));
    CHECK_FALSE(trailer_is_accepted({room + 1, 0, 0}));
    CHECK_FALSE(trailer_is_accepted({100, UINT64_MAX, 0}));
    CHECK_FALSE(trailer_is_accepted({UINT64_MAX, 1, 0}));
    CHECK_FALSE(trailer_is_accepted({100, 500, 1})); // a parity that this program does not know
}

TEST_CASE("an object too short for a pack's trailer has none")
{
    const Bytes good = encode_pack_trailers({8, 0, 0});
    CHECK(decode_pack_trailers(good, 88).has_value());
    CHECK_FALSE(decode_pack_trailers(good, 87).has_value());
    CHECK_FALSE(decode_pack_trailers(good, 0).has_value());
    CHECK_FALSE(decode_pack_trailers(ByteSpan(good).last(79), 88).has_value());
    CHECK_FALSE(decode_pack_trailers({}, 88).has_value());
}

TEST_CASE("a sealed directory comes back and is refused where its head is cut")
{
    SealedDirectory directory;
    directory.key_record = {KeyRecord::Kind::wrapped, 2, Bytes(80, 0x11)};
    directory.nonce.fill(0x22);
    directory.sealed = {1, 2, 3};
    const Bytes bytes = encode_sealed_directory(directory);
    CHECK(to_hex(bytes) == "0202" + repeated_hex(0x11, 80) + repeated_hex(0x22, 12) + "010203");
    const SealedDirectory back = decode_sealed_directory(bytes);
    CHECK(back.key_record == directory.key_record);
    CHECK(back.nonce == directory.nonce);
    CHECK(back.sealed == directory.sealed);
    const Bytes head(bytes.begin(), bytes.end() - 3);
    CHECK(refuses_every_truncation(head, decode_sealed_directory));
}

TEST_CASE("a frame never passes for a directory, nor for a frame of another class or repository")
{
    const auto here = id_of<RepositoryId>(1);
    const KeyRecord record{KeyRecord::Kind::salt, 1, Bytes(32, 2)};
    const Bytes frame = frame_associated_data(here, KeyClass::data, record, {});
    CHECK(frame != frame_associated_data(here, KeyClass::meta, record, {}));
    CHECK(frame != frame_associated_data(id_of<RepositoryId>(2), KeyClass::data, record, {}));
    CHECK(frame != frame_associated_data(here, KeyClass::data, KeyRecord{}, {}));
    CHECK(frame_associated_data(here, KeyClass::index, record, {}) !=
          directory_associated_data(here, record, {}));
}

TEST_CASE("frames that differ in anything sealed have other identities")
{
    const Frame frame = sample_frame();
    const Bytes identity = frame_identity(KeyClass::meta, 1, frame);
    CHECK(identity != frame_identity(KeyClass::data, 1, frame));
    CHECK(identity != frame_identity(KeyClass::meta, 2, frame));
    Frame changed = frame;
    changed.encoding = Encoding::raw;
    CHECK(identity != frame_identity(KeyClass::meta, 1, changed));
    changed = frame;
    changed.blobs[1].length += 1;
    CHECK(identity != frame_identity(KeyClass::meta, 1, changed));
    changed = frame;
    changed.blobs[1].kind = BlobKind::data;
    CHECK(identity != frame_identity(KeyClass::meta, 1, changed));
    changed = frame;
    changed.blobs.pop_back();
    CHECK(identity != frame_identity(KeyClass::meta, 1, changed));
}
