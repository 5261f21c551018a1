#include "repo/pack_rewriter.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "repo/frame_opener.hpp"

#include <algorithm>
#include <utility>

namespace backstay::core
{

struct PackRewriter::State {
    Repository& repository;
    KeyClass key_class;
    std::uint32_t frame_limit;
    Compressor compressor;
    std::shared_ptr<const SealingKey> sealing;
    std::shared_ptr<const SealingKey> index_sealing;
    Cipher cipher;
    FrameOpener opener;
    std::uint64_t frames_sealed = 0;

    // The frame that blobs are gathered in.
    Bytes plain;
    std::vector<FrameBlob> blobs;

    // The pack that frames are gathered in.
    Bytes pack;
    PackDirectory directory;
    Stored stored;

    State(Repository& from, Contents contents, int compression)
        : repository(from), key_class(contents == Contents::data ? KeyClass::data : KeyClass::meta),
          frame_limit(contents == Contents::data ? max_data_frame : max_meta_frame),
          compressor(compression), sealing(from.keys().new_sealing_key(key_class)),
          index_sealing(from.keys().new_sealing_key(KeyClass::index)),
          cipher(sealing->make_cipher()), opener(from.keys())
    {
    }

    std::uint32_t key_record(std::vector<KeyRecord>& records, const KeyRecord& record)
    {
        const auto found = std::find(records.begin(), records.end(), record);
        if (found == records.end()) {
            records.push_back(record);
            return static_cast<std::uint32_t>(records.size() - 1);
        }
        return static_cast<std::uint32_t>(found - records.begin());
    }

    void add_to_pack(Frame frame, const KeyRecord& record, ByteSpan bytes,
                     const std::stop_token& stop)
    {
        if (pack.empty()) {
            const ByteSpan header = pack_header();
            pack.reserve(repository.config().pack_size + bytes.size());
            pack.assign(header.begin(), header.end());
            directory = {};
            fill_random(directory.random);
        }
        frame.key_record = key_record(directory.key_records, record);
        append(pack, bytes);
        directory.frames.push_back(std::move(frame));
        if (pack.size() >= repository.config().pack_size) {
            store_pack(stop);
        }
    }

    void seal_frame(const std::stop_token& stop)
    {
        if (blobs.empty()) {
            return;
        }
        Frame frame;
        frame.key_class = key_class;
        frame.plain_size = static_cast<std::uint32_t>(plain.size());
        frame.blobs = std::exchange(blobs, {});
        Bytes bytes(Compressor::encoded_bound(plain.size()) + seal_overhead);
        const Compressor::Result encoded = compressor.encode(plain, bytes);
        frame.encoding = encoded.encoding;
        frame.nonce = sealing->nonce_for(frame_identity(key_class, frames_sealed++, frame));
        const std::size_t size = encoded.bytes.size() + seal_overhead;
        frame.stored_size = static_cast<std::uint32_t>(size);
        cipher.seal(frame.nonce,
                    frame_associated_data(repository.config().repository, key_class,
                                          sealing->record(), frame.nonce),
                    encoded.bytes, MutableByteSpan(bytes).first(size));
        bytes.resize(size);
        demand_readable(frame, bytes);
        add_to_pack(std::move(frame), sealing->record(), bytes, stop);
        plain.clear();
    }

    /// Bad memory is real: what will be the only copy is opened again before it is stored.
    void demand_readable(const Frame& frame, ByteSpan bytes)
    {
        IndexedFrame indexed;
        indexed.key_class = key_class;
        indexed.key_record = sealing->record();
        indexed.nonce = frame.nonce;
        indexed.encoding = frame.encoding;
        indexed.stored_size = frame.stored_size;
        indexed.plain_size = frame.plain_size;
        Bytes again(frame.plain_size);
        if (!opener.open(indexed, bytes, again) || !equal(again, plain)) {
            throw Error(ErrorCode::internal,
                        "a frame that was just sealed does not open to the same bytes: this "
                        "machine's memory or processor is faulty");
        }
    }

    void store_pack(const std::stop_token& stop)
    {
        if (pack.empty()) {
            return;
        }
        const Bytes encoded = encode_pack_directory(directory);
        SealedDirectory sealed;
        sealed.key_record = index_sealing->record();
        sealed.nonce = index_sealing->nonce_for(encoded);
        sealed.sealed.resize(encoded.size() + seal_overhead);
        index_sealing->make_cipher().seal(sealed.nonce,
                                          directory_associated_data(repository.config().repository,
                                                                    sealed.key_record,
                                                                    sealed.nonce),
                                          encoded, sealed.sealed);
        const Bytes placed = encode_sealed_directory(sealed);
        const PackTrailer trailer{pack.size(), placed.size(), 0};
        append(pack, placed);
        append(pack, encode_pack_trailers(trailer));
        const PackId id = PackId::from(sha256(pack));
        create(id, stop);
        remember(id);
        pack.clear();
    }

    void create(const PackId& id, const std::stop_token& stop)
    {
        try {
            if (key_class == KeyClass::data) {
                repository.store().create_cold(pack_key(id), pack, stop);
            } else {
                repository.store().create(pack_key(id), pack, stop);
            }
        } catch (const Error& error) {
            if (error.code() != ErrorCode::exists) { // the same name: the same bytes
                throw;
            }
        }
    }

    void remember(const PackId& id)
    {
        SegmentPack row;
        row.id = id;
        row.size = pack.size();
        std::uint64_t offset = pack_header_size;
        const auto pack_number = static_cast<std::uint32_t>(stored.packs.size());
        for (const Frame& frame : directory.frames) {
            const auto frame_number = static_cast<std::uint32_t>(row.frames.size());
            SegmentFrame kept;
            kept.key_class = frame.key_class;
            kept.key_record =
                key_record(stored.key_records, directory.key_records[frame.key_record]);
            kept.nonce = frame.nonce;
            kept.encoding = frame.encoding;
            kept.offset = offset;
            kept.stored_size = frame.stored_size;
            kept.plain_size = frame.plain_size;
            kept.blobs = static_cast<std::uint32_t>(frame.blobs.size());
            row.frames.push_back(kept);
            std::uint32_t inside = 0;
            for (const FrameBlob& blob : frame.blobs) {
                stored.entries.push_back(
                    {blob.id, pack_number, frame_number, inside, blob.length, blob.kind});
                inside += blob.length;
            }
            offset += frame.stored_size;
        }
        stored.bytes += row.size;
        stored.packs.push_back(std::move(row));
    }
};

PackRewriter::PackRewriter(Repository& repository, Contents contents, int compression)
    : state_(std::make_unique<State>(repository, contents, compression))
{
}

PackRewriter::~PackRewriter() = default;

void PackRewriter::add_frame(const IndexedFrame& frame, std::vector<FrameBlob> blobs,
                             ByteSpan stored, const std::stop_token& stop)
{
    Frame copied;
    copied.key_class = frame.key_class;
    copied.nonce = frame.nonce;
    copied.encoding = frame.encoding;
    copied.stored_size = frame.stored_size;
    copied.plain_size = frame.plain_size;
    copied.blobs = std::move(blobs);
    state_->add_to_pack(std::move(copied), frame.key_record, stored, stop);
}

void PackRewriter::add_blob(const BlobId& id, BlobKind kind, ByteSpan plain,
                            const std::stop_token& stop)
{
    if (!state_->blobs.empty() && state_->plain.size() + plain.size() > state_->frame_limit) {
        state_->seal_frame(stop);
    }
    append(state_->plain, plain);
    state_->blobs.push_back({id, kind, static_cast<std::uint32_t>(plain.size())});
}

void PackRewriter::Stored::append(Stored more)
{
    const auto pack_count = static_cast<std::uint32_t>(packs.size());
    const auto record_count = static_cast<std::uint32_t>(key_records.size());
    for (SegmentPack& pack : more.packs) {
        for (SegmentFrame& frame : pack.frames) {
            frame.key_record += record_count;
        }
        packs.push_back(std::move(pack));
    }
    for (SegmentEntry& entry : more.entries) {
        entry.pack += pack_count;
        entries.push_back(entry);
    }
    key_records.insert(key_records.end(), more.key_records.begin(), more.key_records.end());
    bytes += more.bytes;
}

PackRewriter::Stored PackRewriter::finish(const std::stop_token& stop)
{
    state_->seal_frame(stop);
    state_->store_pack(stop);
    return std::move(state_->stored);
}

} // namespace backstay::core
