#include "repo/pack_listing.hpp"

#include "base/error.hpp"
#include "repo/object_keys.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t max_directory_size = 64 * MiB;

/// Throws Error{damaged} if there are fewer bytes.
Bytes read_exactly(Repository& repository, const PackId& id, std::uint64_t offset,
                   std::uint64_t size, const std::stop_token& stop)
{
    Bytes bytes(static_cast<std::size_t>(size));
    if (repository.store().get(pack_key(id), offset, bytes, stop) != bytes.size()) {
        throw Error(ErrorCode::damaged, "the pack is cut short", pack_key(id));
    }
    return bytes;
}

} // namespace

PackListing list_pack(const PackId& id, std::uint64_t size, const PackDirectory& directory)
{
    PackListing listing;
    listing.pack.id = id;
    listing.pack.size = size;
    listing.key_records = directory.key_records;
    std::uint64_t offset = pack_header_size;
    for (const Frame& frame : directory.frames) {
        const auto number = static_cast<std::uint32_t>(listing.pack.frames.size());
        listing.pack.frames.push_back({frame.key_class, frame.key_record, frame.nonce,
                                       frame.encoding, offset, frame.stored_size, frame.plain_size,
                                       static_cast<std::uint32_t>(frame.blobs.size())});
        std::uint32_t inside = 0;
        for (const FrameBlob& blob : frame.blobs) {
            listing.entries.push_back({blob.id, 0, number, inside, blob.length, blob.kind});
            inside += blob.length;
        }
        offset += frame.stored_size;
    }
    return listing;
}

PackDirectory open_pack_directory(Repository& repository, const SealedDirectory& sealed)
{
    Bytes encoded(sealed.sealed.size() < seal_overhead ? 0 : sealed.sealed.size() - seal_overhead);
    Cipher cipher(repository.keys().opening_key(KeyClass::index, sealed.key_record).span());
    if (!cipher.open(sealed.nonce,
                     directory_associated_data(repository.config().repository, sealed.key_record,
                                               sealed.nonce),
                     sealed.sealed, encoded)) {
        throw Error(ErrorCode::damaged, "its directory does not open");
    }
    return decode_pack_directory(encoded);
}

PackDirectory read_pack_directory(Repository& repository, const PackId& id, std::uint64_t size,
                                  const std::stop_token& stop)
{
    const std::uint64_t tail = std::min<std::uint64_t>(size, 2 * pack_trailer_size);
    const auto trailer =
        decode_pack_trailers(read_exactly(repository, id, size - tail, tail, stop), size);
    if (!trailer || trailer->directory_size > max_directory_size) {
        throw Error(ErrorCode::damaged, "has no readable trailer", pack_key(id));
    }
    return open_pack_directory(
        repository, decode_sealed_directory(read_exactly(repository, id, trailer->directory_offset,
                                                         trailer->directory_size, stop)));
}

} // namespace backstay::core
