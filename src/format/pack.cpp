#include "format/pack.hpp"

#include "base/error.hpp"
#include "codec/hash.hpp"
#include "format/encoding.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::string_view header_magic =
    "BSTYPCK0"; ///< the last character is the format's version
constexpr std::string_view trailer_magic = "BSTYEND0";
constexpr std::string_view frame_label = "backstay 0 frame";
constexpr std::string_view directory_label = "backstay 0 directory";
constexpr std::size_t trailer_check_size = 8;
constexpr std::size_t max_key_records = 1 << 20;

Encoding decode_encoding(Decoder& from)
{
    const std::uint8_t encoding = from.u8();
    if (encoding > static_cast<std::uint8_t>(Encoding::zstd)) {
        from.fail("a frame is of an unknown encoding");
    }
    return static_cast<Encoding>(encoding);
}

KeyClass decode_frame_class(Decoder& from)
{
    const std::uint8_t key_class = from.u8();
    if (key_class != static_cast<std::uint8_t>(KeyClass::meta) &&
        key_class != static_cast<std::uint8_t>(KeyClass::data)) {
        from.fail("a frame is of a class that no frame has");
    }
    return static_cast<KeyClass>(key_class);
}

BlobKind decode_blob_kind(Decoder& from)
{
    const std::uint8_t kind = from.u8();
    if (kind < static_cast<std::uint8_t>(BlobKind::data) ||
        kind > static_cast<std::uint8_t>(BlobKind::record)) {
        from.fail("a blob is of an unknown kind");
    }
    return static_cast<BlobKind>(kind);
}

Frame decode_frame(Decoder& from, std::size_t key_records)
{
    Frame frame;
    frame.key_class = decode_frame_class(from);
    frame.key_record = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
    const ByteSpan nonce = from.raw(frame.nonce.size());
    std::copy(nonce.begin(), nonce.end(), frame.nonce.begin());
    frame.encoding = decode_encoding(from);
    frame.stored_size = static_cast<std::uint32_t>(from.varint(max_frame_plain + seal_overhead));
    frame.plain_size = static_cast<std::uint32_t>(from.varint(max_frame_plain));
    constexpr std::size_t least_blob = 32 + 1 + 1;
    frame.blobs.resize(from.count(least_blob));
    std::uint64_t total = 0;
    for (FrameBlob& blob : frame.blobs) {
        blob.id = from.id<BlobId>();
        blob.kind = decode_blob_kind(from);
        blob.length = static_cast<std::uint32_t>(from.varint(max_frame_plain));
        total += blob.length;
    }
    if (frame.key_record >= key_records || total != frame.plain_size ||
        frame.stored_size < seal_overhead) {
        from.fail("a frame's numbers do not fit each other");
    }
    return frame;
}

Bytes encode_trailer(const PackTrailer& trailer)
{
    Bytes out;
    Encoder to(out);
    to.raw(as_bytes(trailer_magic));
    to.u64(trailer.directory_offset);
    to.u64(trailer.directory_size);
    to.u32(trailer.parity_layout);
    to.u32(0); // reserved
    const Digest digest = sha256(out);
    to.raw(ByteSpan(digest).first(trailer_check_size));
    return out;
}

std::optional<PackTrailer> decode_trailer(ByteSpan bytes, std::uint64_t object_size)
{
    const ByteSpan head = bytes.first(pack_trailer_size - trailer_check_size);
    const Digest digest = sha256(head);
    if (!equal(ByteSpan(digest).first(trailer_check_size), bytes.last(trailer_check_size)) ||
        !equal(head.first(trailer_magic.size()), as_bytes(trailer_magic))) {
        return std::nullopt;
    }
    Decoder from(head.subspan(trailer_magic.size()), "trailer of a pack");
    PackTrailer trailer;
    trailer.directory_offset = from.u64();
    trailer.directory_size = from.u64();
    trailer.parity_layout = from.u32();
    const bool reserved = from.u32() == 0;
    const std::uint64_t room = object_size - 2 * pack_trailer_size;
    const bool fits = trailer.directory_offset >= pack_header_size &&
                      trailer.directory_offset <= room &&
                      trailer.directory_size <= room - trailer.directory_offset;
    return reserved && fits && trailer.parity_layout == 0 ? std::optional(trailer) : std::nullopt;
}

Bytes associated_data(std::string_view label, const RepositoryId& repository, KeyClass key_class,
                      const KeyRecord& record, const Nonce& nonce)
{
    Bytes out;
    Encoder to(out);
    to.text(label);
    to.id(repository);
    to.u8(static_cast<std::uint8_t>(key_class));
    encode_key_record(to, record);
    to.raw(nonce);
    return out;
}

} // namespace

ByteSpan pack_header()
{
    return as_bytes(header_magic);
}

Bytes encode_pack_directory(const PackDirectory& directory)
{
    Bytes out;
    Encoder to(out);
    to.raw(directory.random);
    to.varint(directory.key_records.size());
    for (const KeyRecord& record : directory.key_records) {
        encode_key_record(to, record);
    }
    to.varint(directory.frames.size());
    for (const Frame& frame : directory.frames) {
        to.u8(static_cast<std::uint8_t>(frame.key_class));
        to.varint(frame.key_record);
        to.raw(frame.nonce);
        to.u8(static_cast<std::uint8_t>(frame.encoding));
        to.varint(frame.stored_size);
        to.varint(frame.plain_size);
        to.varint(frame.blobs.size());
        for (const FrameBlob& blob : frame.blobs) {
            to.id(blob.id);
            to.u8(static_cast<std::uint8_t>(blob.kind));
            to.varint(blob.length);
        }
    }
    return out;
}

PackDirectory decode_pack_directory(ByteSpan plain)
{
    Decoder from(plain, "directory of a pack");
    PackDirectory directory;
    const ByteSpan random = from.raw(directory.random.size());
    std::copy(random.begin(), random.end(), directory.random.begin());
    const std::size_t records = from.count(1);
    if (records > max_key_records) {
        from.fail("it holds too many key records");
    }
    for (std::size_t i = 0; i < records; ++i) {
        directory.key_records.push_back(decode_key_record(from));
    }
    constexpr std::size_t least_frame = 1 + 1 + 12 + 1 + 1 + 1 + 1;
    const std::size_t frames = from.count(least_frame);
    for (std::size_t i = 0; i < frames; ++i) {
        directory.frames.push_back(decode_frame(from, records));
    }
    from.finish();
    return directory;
}

Bytes encode_pack_trailers(const PackTrailer& trailer)
{
    Bytes out = encode_trailer(trailer);
    const Bytes once = out;
    append(out, once);
    return out;
}

std::optional<PackTrailer> decode_pack_trailers(ByteSpan last_bytes, std::uint64_t object_size)
{
    if (last_bytes.size() < 2 * pack_trailer_size || object_size < last_bytes.size() ||
        object_size < pack_header_size + 2 * pack_trailer_size) {
        return std::nullopt;
    }
    const ByteSpan both = last_bytes.last(2 * pack_trailer_size);
    const auto first = decode_trailer(both.first(pack_trailer_size), object_size);
    return first ? first : decode_trailer(both.last(pack_trailer_size), object_size);
}

Bytes encode_sealed_directory(const SealedDirectory& directory)
{
    Bytes out;
    Encoder to(out);
    encode_key_record(to, directory.key_record);
    to.raw(directory.nonce);
    to.raw(directory.sealed);
    return out;
}

SealedDirectory decode_sealed_directory(ByteSpan bytes)
{
    Decoder from(bytes, "sealed directory of a pack");
    SealedDirectory directory;
    directory.key_record = decode_key_record(from);
    const ByteSpan nonce = from.raw(directory.nonce.size());
    std::copy(nonce.begin(), nonce.end(), directory.nonce.begin());
    const ByteSpan sealed = from.raw(from.remaining());
    directory.sealed.assign(sealed.begin(), sealed.end());
    return directory;
}

Bytes frame_associated_data(const RepositoryId& repository, KeyClass key_class,
                            const KeyRecord& record, const Nonce& nonce)
{
    return associated_data(frame_label, repository, key_class, record, nonce);
}

Bytes directory_associated_data(const RepositoryId& repository, const KeyRecord& record,
                                const Nonce& nonce)
{
    return associated_data(directory_label, repository, KeyClass::index, record, nonce);
}

Bytes frame_identity(KeyClass key_class, std::uint64_t frame_number, const Frame& frame)
{
    Bytes out;
    Encoder to(out);
    to.u8(static_cast<std::uint8_t>(key_class));
    to.u64(frame_number);
    to.u8(static_cast<std::uint8_t>(frame.encoding));
    for (const FrameBlob& blob : frame.blobs) {
        to.id(blob.id);
        to.u8(static_cast<std::uint8_t>(blob.kind));
        to.varint(blob.length);
    }
    return out;
}

} // namespace backstay::core
