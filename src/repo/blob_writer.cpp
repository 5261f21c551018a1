#include "repo/blob_writer.hpp"

#include "base/aligned_buffer.hpp"
#include "base/bounded_queue.hpp"
#include "base/error.hpp"
#include "base/in_flight.hpp"
#include "base/pool.hpp"
#include "base/random.hpp"
#include "codec/compression.hpp"
#include "repo/frame_opener.hpp"
#include "repo/pack_hash.hpp"
#include "repo/pack_listing.hpp"

#include <atomic>
#include <cassert>
#include <mutex>
#include <utility>

namespace backstay::core
{

namespace
{

/// Beyond that a segment is written before its time: what is waiting to be said takes memory.
constexpr std::size_t max_segment_entries = 64 * 1024;

/// Blobs gathered for one frame, on their way to a worker.
struct PlainFrame {
    KeyClass key_class = KeyClass::data;
    Bytes plain;
    std::vector<FrameBlob> blobs;
    void clear()
    {
        plain.clear();
        blobs.clear();
    }
};
using FramePtr = std::unique_ptr<PlainFrame>;

/// A pack being filled: workers reserve room under the writer's lock, and write, prove and hash
/// their frames there side by side.
struct OpenPack {
    explicit OpenPack(std::size_t capacity) : buffer(capacity) {}
    AlignedBuffer buffer;
    PackDirectory directory;
    PackHash hash;
    std::size_t blobs = 0;
    std::atomic<std::size_t> writing{0}; ///< frames that have their room, but are not done yet
};
using PackPtr = std::unique_ptr<OpenPack>;

/// An upper bound for directory, trailers and what seals them.
std::size_t tail_size(std::size_t frames, std::size_t blobs)
{
    constexpr std::size_t frame_row = 48;
    constexpr std::size_t blob_row = 32 + 1 + 5;
    constexpr std::size_t rest = 512;
    return frames * frame_row + blobs * blob_row + rest + 2 * pack_trailer_size;
}

struct Plan {
    std::size_t pack_size;
    std::size_t packs;
    std::size_t frames;
    unsigned uploads; ///< at once
};

/// How a memory budget is spent: frames for every worker and lane, then packs, smaller ones if need
/// be. A store that is far away gets several packs at once; those come on top of the budget.
Plan plan_memory(std::uint64_t memory, std::uint32_t pack_size, unsigned threads, unsigned uploads)
{
    constexpr std::size_t packs = 3; // data and metadata being filled, one on its way
    constexpr std::size_t least_pack = 2 * MiB;
    const std::size_t frames = 2 * std::size_t{threads} + 4;
    // A worker holds an encoded and a decoded copy of its frame beside it.
    const std::uint64_t spent = (frames + 2 * threads) * max_data_frame;
    const std::uint64_t left = memory > spent ? memory - spent : 0;
    const auto affordable = static_cast<std::size_t>(left / packs);
    return {std::max(least_pack, std::min<std::size_t>(pack_size, affordable)), packs + uploads - 1,
            frames, uploads};
}

} // namespace

struct BlobWriter::State {
    Repository& repository;
    SessionId session;
    BlobIndex& index;
    BlobWriterOptions options;
    WorkerGroup& group;
    std::stop_token stop;
    Plan plan;
    std::shared_ptr<const SealingKey> data_key;
    std::shared_ptr<const SealingKey> meta_key;
    std::shared_ptr<const SealingKey> index_key;
    std::atomic<std::uint64_t> frames_sealed{0};
    std::atomic<std::uint64_t> blobs_new{0}, bytes_new{0}, bytes_stored{0}, packs_stored{0};

    Pool<FramePtr> frames;
    Pool<PackPtr> packs;
    BoundedQueue<FramePtr> full_frames{256};
    BoundedQueue<PackPtr> full_packs{8};
    InFlight frames_in_flight;
    InFlight packs_in_flight;

    std::mutex pack_mutex; // guards the two open packs
    PackPtr data_pack;
    PackPtr meta_pack;

    mutable std::mutex stored_mutex; // guards what the next segment says
    std::vector<KeyRecord> key_records;
    std::vector<SegmentPack> stored_packs;
    std::vector<SegmentEntry> stored_entries;

    State(Repository& from, const SessionId& sid, BlobIndex& known, BlobWriterOptions how,
          WorkerGroup& threads)
        : repository(from), session(sid), index(known), options(how), group(threads),
          stop(threads.stop_token()),
          plan(plan_memory(how.memory, from.config().pack_size, how.threads,
                           std::max(1U, from.store().describe(stop).max_concurrency))),
          data_key(from.keys().new_sealing_key(KeyClass::data)),
          meta_key(from.keys().new_sealing_key(KeyClass::meta)),
          index_key(from.keys().new_sealing_key(KeyClass::index))
    {
        for (std::size_t i = 0; i < plan.frames; ++i) {
            frames.put(std::make_unique<PlainFrame>());
        }
        for (std::size_t i = 0; i < plan.packs; ++i) {
            packs.put(std::make_unique<OpenPack>(plan.pack_size));
        }
    }

    const SealingKey& key_of(KeyClass key_class) const
    {
        return key_class == KeyClass::data ? *data_key : *meta_key;
    }
    PackPtr& open_pack(KeyClass key_class)
    {
        return key_class == KeyClass::data ? data_pack : meta_pack;
    }

    void hand_over(FramePtr frame)
    {
        frames_in_flight.begin();
        if (!full_frames.push(std::move(frame), stop)) {
            throw Error(ErrorCode::cancelled, "cancelled");
        }
    }

    /// Seals a frame into the open pack of its class, and proves it from there.
    void add_to_pack(const Frame& frame, ByteSpan encoded, ByteSpan plain, Cipher& cipher,
                     FrameOpener& opener, Bytes& again)
    {
        PackPtr full;
        OpenPack* pack = nullptr;
        MutableByteSpan room;
        {
            const std::lock_guard lock(pack_mutex);
            PackPtr& open = open_pack(frame.key_class);
            const std::size_t blobs = frame.blobs.size();
            if (open && open->buffer.room() <
                            frame.stored_size +
                                tail_size(open->directory.frames.size() + 1, open->blobs + blobs)) {
                full = std::move(open);
            }
            if (!open) {
                open = begin_pack(frame.stored_size + tail_size(1, blobs));
            }
            pack = open.get();
            pack->writing += 1;
            room = pack->buffer.extend(frame.stored_size);
            pack->blobs += blobs;
            pack->directory.frames.push_back(frame);
        }
        if (full) {
            send(std::move(full));
        }
        cipher.seal(frame.nonce,
                    frame_associated_data(repository.config().repository, frame.key_class,
                                          key_of(frame.key_class).record(), frame.nonce),
                    encoded, room);
        demand_readable(frame, room, plain, opener, again);
        pack->hash.add(pack->buffer.data(),
                       static_cast<std::size_t>(room.data() - pack->buffer.data()), room.size());
        pack->writing -= 1; // the uploader waits for it: the pack lives until then
        pack->writing.notify_all();
    }

    PackPtr begin_pack(std::size_t needed)
    {
        PackPtr pack = packs.take(stop);
        if (pack->buffer.capacity() < needed + pack_header_size) {
            pack->buffer = AlignedBuffer(needed + pack_header_size);
        }
        pack->buffer.clear();
        pack->buffer.append(pack_header());
        pack->hash.begin(pack_header());
        pack->directory = {};
        pack->blobs = 0;
        fill_random(pack->directory.random);
        return pack;
    }

    /// Bad memory is real: what will be the only copy is opened again, decoded and compared with
    /// the bytes its ids were computed from.
    void demand_readable(const Frame& frame, ByteSpan sealed, ByteSpan plain, FrameOpener& opener,
                         Bytes& again)
    {
        IndexedFrame indexed;
        indexed.key_class = frame.key_class;
        indexed.key_record = key_of(frame.key_class).record();
        indexed.nonce = frame.nonce;
        indexed.encoding = frame.encoding;
        indexed.stored_size = frame.stored_size;
        indexed.plain_size = frame.plain_size;
        again.resize(plain.size());
        if (!opener.open(indexed, sealed, again) || !equal(again, plain)) {
            throw Error(ErrorCode::internal,
                        "a frame that was just sealed does not open to the same bytes: this "
                        "machine's memory or processor is faulty");
        }
    }

    void send(PackPtr pack)
    {
        packs_in_flight.begin();
        if (!full_packs.push(std::move(pack), stop)) {
            throw Error(ErrorCode::cancelled, "cancelled");
        }
    }

    /// A worker's life: frames in, sealed frames into packs.
    void compress(const std::stop_token& stopped)
    {
        Compressor compressor(options.compression);
        Cipher data_cipher = data_key->make_cipher();
        Cipher meta_cipher = meta_key->make_cipher();
        FrameOpener opener(repository.keys());
        Bytes compressed;
        Bytes again;
        while (std::optional<FramePtr> taken = full_frames.pop(stopped)) {
            FramePtr plain = std::move(*taken);
            Frame frame;
            frame.key_class = plain->key_class;
            frame.plain_size = static_cast<std::uint32_t>(plain->plain.size());
            frame.blobs = plain->blobs;
            compressed.resize(Compressor::encoded_bound(plain->plain.size()));
            const Compressor::Result encoded = compressor.encode(plain->plain, compressed);
            const SealingKey& key = key_of(frame.key_class);
            frame.encoding = encoded.encoding;
            frame.stored_size = static_cast<std::uint32_t>(encoded.bytes.size() + seal_overhead);
            frame.nonce = key.nonce_for(frame_identity(frame.key_class, frames_sealed++, frame));
            Cipher& cipher = frame.key_class == KeyClass::data ? data_cipher : meta_cipher;
            add_to_pack(frame, encoded.bytes, plain->plain, cipher, opener, again);
            plain->clear();
            frames.put(std::move(plain));
            frames_in_flight.end();
        }
    }

    /// An uploader's life: full packs in, stored packs into the index.
    void store(const std::stop_token& stopped)
    {
        while (std::optional<PackPtr> taken = full_packs.pop(stopped)) {
            PackPtr pack = std::move(*taken);
            for (std::size_t left = pack->writing; left != 0; left = pack->writing) {
                pack->writing.wait(left);
            }
            store_pack(*pack);
            if (segment_is_large()) {
                write_news(std::nullopt);
            }
            pack->buffer.clear();
            packs.put(std::move(pack));
            packs_in_flight.end();
        }
    }

    void store_pack(OpenPack& pack)
    {
        PackDirectory& directory = pack.directory;
        const KeyClass key_class = directory.frames.front().key_class;
        directory.key_records = {key_of(key_class).record()};
        const Bytes encoded = encode_pack_directory(directory);
        SealedDirectory sealed;
        sealed.key_record = index_key->record();
        sealed.nonce = index_key->nonce_for(encoded);
        sealed.sealed.resize(encoded.size() + seal_overhead);
        index_key->make_cipher().seal(sealed.nonce,
                                      directory_associated_data(repository.config().repository,
                                                                sealed.key_record, sealed.nonce),
                                      encoded, sealed.sealed);
        const Bytes placed = encode_sealed_directory(sealed);
        const std::uint64_t offset = pack.buffer.size();
        pack.buffer.append(placed);
        pack.buffer.append(encode_pack_trailers({offset, placed.size(), 0}));
        const PackId id = pack.hash.finish(pack.buffer.span());
        if (!options.discard) {
            create(id, pack.buffer, key_class);
        }
        remember(id, pack);
    }

    void create(const PackId& id, const AlignedBuffer& object, KeyClass key_class)
    {
        try {
            if (key_class == KeyClass::data) {
                repository.store().create_cold(pack_key(id), object, stop);
            } else {
                repository.store().create(pack_key(id), object, stop);
            }
        } catch (const Error& error) {
            if (error.code() != ErrorCode::exists) { // the same name: the same bytes
                throw;
            }
        }
    }

    void remember(const PackId& id, const OpenPack& pack)
    {
        auto [row, records, entries] = list_pack(id, pack.buffer.size(), pack.directory);
        bytes_stored += row.size;
        packs_stored += 1;
        if (options.discard) {
            return;
        }
        index.add(row, records, entries);
        const std::lock_guard lock(stored_mutex);
        const auto pack_number = static_cast<std::uint32_t>(stored_packs.size());
        const auto record_number = static_cast<std::uint32_t>(key_records.size());
        key_records.push_back(records.front());
        for (SegmentFrame& frame : row.frames) {
            frame.key_record = record_number;
        }
        for (SegmentEntry& entry : entries) {
            entry.pack = pack_number;
        }
        stored_packs.push_back(std::move(row));
        stored_entries.insert(stored_entries.end(), entries.begin(), entries.end());
    }

    bool segment_is_large() const
    {
        const std::lock_guard lock(stored_mutex);
        return stored_entries.size() >= max_segment_entries;
    }

    /// Says in a segment what has been stored since the last.
    void write_news(std::optional<Checkpoint> checkpoint)
    {
        std::vector<KeyRecord> records;
        std::vector<SegmentPack> packs_written;
        std::vector<SegmentEntry> entries;
        {
            const std::lock_guard lock(stored_mutex);
            records = std::exchange(key_records, {});
            packs_written = std::exchange(stored_packs, {});
            entries = std::exchange(stored_entries, {});
        }
        bytes_stored +=
            write_segment(repository, session, std::move(records), std::move(packs_written),
                          std::move(entries), std::move(checkpoint), stop)
                .size;
    }

    /// Everything handed over is durable when this returns.
    void flush_packs()
    {
        frames_in_flight.wait(stop);
        for (const KeyClass key_class : {KeyClass::data, KeyClass::meta}) {
            PackPtr pack;
            {
                const std::lock_guard lock(pack_mutex);
                pack = std::exchange(open_pack(key_class), nullptr);
            }
            if (pack) {
                send(std::move(pack));
            }
        }
        packs_in_flight.wait(stop);
    }
};

class BlobWriter::WriterLane : public BlobWriter::Lane
{
public:
    using Shared = std::shared_ptr<BlobWriter::State>;
    explicit WriterLane(Shared state) : state_(std::move(state)) {}
    WriterLane(const WriterLane&) = delete;
    WriterLane& operator=(const WriterLane&) = delete;
    ~WriterLane() override
    {
        for (FramePtr* frame : {&data_, &meta_}) {
            if (*frame) {
                (*frame)->clear();
                state_->frames.put(std::move(*frame));
            }
        }
    }

    Put put(BlobKind kind, ByteSpan plain) override
    {
        assert(plain.size() <= max_frame_plain);
        const BlobId id = state_->repository.keys().namer().name(kind, plain);
        if (!state_->index.claim(id)) {
            return {id, false};
        }
        const bool is_data = kind == BlobKind::data;
        FramePtr& frame = is_data ? data_ : meta_;
        const std::size_t limit = is_data ? max_data_frame : max_meta_frame;
        if (frame && !frame->blobs.empty() && frame->plain.size() + plain.size() > limit) {
            state_->hand_over(std::exchange(frame, nullptr));
        }
        if (!frame) {
            frame = state_->frames.take(state_->stop);
            frame->key_class = is_data ? KeyClass::data : KeyClass::meta;
            frame->plain.reserve(limit);
        }
        append(frame->plain, plain);
        frame->blobs.push_back({id, kind, static_cast<std::uint32_t>(plain.size())});
        state_->blobs_new += 1;
        state_->bytes_new += plain.size();
        return {id, true};
    }

    void flush() override
    {
        for (FramePtr* frame : {&data_, &meta_}) {
            if (*frame && !(*frame)->blobs.empty()) {
                state_->hand_over(std::move(*frame));
            }
        }
    }

private:
    Shared state_;
    FramePtr data_;
    FramePtr meta_;
};

BlobWriter::BlobWriter(Repository& repository, const SessionId& session, BlobIndex& index,
                       BlobWriterOptions options, WorkerGroup& group)
    : state_(std::make_shared<State>(repository, session, index, options, group))
{
    for (unsigned i = 0; i < std::max(1U, options.threads); ++i) {
        group.start("compress",
                    [state = state_](const std::stop_token& stop) { state->compress(stop); });
    }
    for (unsigned i = 0; i < state_->plan.uploads; ++i) {
        group.start("store", [state = state_](const std::stop_token& stop) { state->store(stop); });
    }
}

BlobWriter::~BlobWriter()
{
    state_->full_frames.close();
    state_->full_packs.close();
}

std::unique_ptr<BlobWriter::Lane> BlobWriter::open_lane()
{
    return std::make_unique<WriterLane>(state_);
}

void BlobWriter::publish(std::optional<Checkpoint> checkpoint)
{
    state_->flush_packs();
    if (state_->options.discard) {
        return;
    }
    state_->write_news(std::move(checkpoint));
}

void BlobWriter::finish()
{
    state_->flush_packs();
    bool has_news = false;
    {
        const std::lock_guard lock(state_->stored_mutex);
        has_news = !state_->stored_packs.empty();
    }
    if (has_news) {
        publish(std::nullopt);
    }
    state_->full_frames.close();
    state_->full_packs.close();
}

BlobCounts BlobWriter::counts() const
{
    return {state_->blobs_new, state_->bytes_new, state_->bytes_stored, state_->packs_stored};
}

} // namespace backstay::core
