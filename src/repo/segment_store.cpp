#include "repo/blob_index.hpp"

#include "base/error.hpp"
#include "codec/hash.hpp"
#include "format/envelope.hpp"
#include "repo/repository.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t max_segment_size = 1 * GiB;

Segment open_segment(const KeyChain& keys, ByteSpan object, const std::string& key)
{
    const std::uint64_t envelope_size = decode_segment_trailer(object, object.size());
    const std::uint64_t envelope_offset = object.size() - segment_trailer_size - envelope_size;
    Segment segment;
    segment.footer = decode_segment_footer(keys.open_envelope(
        decode_envelope(object.subspan(envelope_offset, envelope_size)), ObjectType::segment, key));
    Cipher cipher(keys.opening_key(KeyClass::index, segment.footer.block_key).span());
    Bytes plain;
    for (const SegmentFooter::Block& block : segment.footer.blocks) {
        if (block.offset > envelope_offset || block.sealed_size > envelope_offset - block.offset ||
            block.sealed_size < seal_overhead) {
            throw Error(ErrorCode::damaged, "a block of the index segment lies outside of it");
        }
        const ByteSpan sealed = object.subspan(block.offset, block.sealed_size);
        plain.resize(sealed.size() - seal_overhead);
        const Bytes associated =
            segment_block_associated_data(keys.repository(), segment.footer.block_key, block);
        if (sha256(sealed) != block.digest ||
            !cipher.open(block.nonce, associated, sealed, plain)) {
            throw Error(ErrorCode::damaged, "a block of the index segment does not open");
        }
        const std::vector<SegmentEntry> entries =
            decode_segment_block(plain, segment.footer, block);
        segment.entries.insert(segment.entries.end(), entries.begin(), entries.end());
    }
    return segment;
}

} // namespace

StoredSegment write_segment(Repository& repository, const SessionId& session,
                            std::vector<KeyRecord> key_records, std::vector<SegmentPack> packs,
                            std::vector<SegmentEntry> entries, std::optional<Checkpoint> checkpoint,
                            const std::stop_token& stop)
{
    std::sort(entries.begin(), entries.end());
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
    SegmentFooter footer;
    footer.session = session;
    footer.written = repository.clock().now();
    footer.key_records = std::move(key_records);
    footer.packs = std::move(packs);
    footer.checkpoint = std::move(checkpoint);

    const KeyChain& keys = repository.keys();
    const auto sealing = keys.new_sealing_key(KeyClass::index);
    footer.block_key = sealing->record();
    Cipher cipher = sealing->make_cipher();
    std::vector<BlobId> firsts;
    std::vector<std::uint32_t> counts;
    const std::vector<Bytes> blocks = encode_segment_blocks(entries, firsts, counts);
    Bytes object;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        SegmentFooter::Block block;
        block.first = firsts[i];
        block.offset = object.size();
        block.entries = counts[i];
        block.sealed_size = static_cast<std::uint32_t>(blocks[i].size() + seal_overhead);
        block.nonce = sealing->nonce_for(segment_block_identity(block.offset, blocks[i]));
        Bytes sealed(block.sealed_size);
        cipher.seal(block.nonce,
                    segment_block_associated_data(keys.repository(), sealing->record(), block),
                    blocks[i], sealed);
        block.digest = sha256(sealed);
        append(object, sealed);
        footer.blocks.push_back(block);
    }
    const Bytes envelope = encode_envelope(
        keys.make_envelope(ObjectType::segment, KeyClass::index, encode_segment_footer(footer)));
    append(object, envelope);
    append(object, encode_segment_trailer(envelope.size()));
    const SegmentId id = SegmentId::from(sha256(object));
    try {
        repository.store().create(segment_key(id), object, stop);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::exists) { // the same name: the same bytes
            throw;
        }
    }
    return {id, object.size()};
}

Segment read_segment(Repository& repository, const SegmentId& id, const std::stop_token& stop)
{
    const std::string key = segment_key(id);
    Bytes object = repository.cache().get(key, max_segment_size, stop);
    if (SegmentId::from(sha256(object)) != id) {
        object = repository.cache().get_again(key, max_segment_size, stop);
        if (SegmentId::from(sha256(object)) != id) {
            throw Error(ErrorCode::damaged,
                        "the index segment's bytes do not hash to its name: it was changed after "
                        "it was written",
                        key);
        }
    }
    try {
        return open_segment(repository.keys(), object, key);
    } catch (const Error& error) {
        throw Error(error.code(), error.what(), key);
    }
}

} // namespace backstay::core
