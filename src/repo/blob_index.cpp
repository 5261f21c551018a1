#include "repo/blob_index.hpp"

#include "base/error.hpp"
#include "repo/blob_table.hpp"

#include <algorithm>
#include <deque>
#include <fmt/format.h>
#include <shared_mutex>
#include <tuple>
#include <unordered_map>

namespace backstay::core
{

namespace
{

struct Row {
    BlobId id{};
    BlobPlace place;
};

bool row_less(const Row& a, const Row& b)
{
    return std::tie(a.id, a.place.pack, a.place.frame, a.place.offset) <
           std::tie(b.id, b.place.pack, b.place.frame, b.place.offset);
}

std::vector<SegmentId> list_segments(Repository& repository, Freshness freshness,
                                     const std::stop_token& stop)
{
    std::vector<SegmentId> segments;
    repository.store().list(
        "index/", freshness,
        [&segments](const ObjectInfo& object) {
            if (const auto id = SegmentId::parse(
                    std::string_view(object.key).substr(object.key.find('/') + 1))) {
                segments.push_back(*id);
            }
        },
        stop);
    std::sort(segments.begin(), segments.end());
    return segments;
}

} // namespace

struct BlobIndex::State {
    Condemned condemned;
    std::vector<SegmentId> segments;
    std::vector<FoundCheckpoint> checkpoints;
    std::vector<std::pair<SessionId, Timestamp>> writers;
    std::vector<Row> rows; ///< of the segments, sorted

    mutable std::shared_mutex mutex; // guards the rest: what this session adds
    std::deque<IndexedPack> packs;
    std::deque<std::vector<IndexedFrame>> frames;
    std::unordered_map<PackId, std::uint32_t, IdHash> pack_numbers;
    std::vector<Row> added;
    BlobTable claimed;

    std::uint32_t add_pack(const SegmentPack& pack, const std::vector<KeyRecord>& records)
    {
        const auto number = static_cast<std::uint32_t>(packs.size());
        const auto [at, fresh] = pack_numbers.try_emplace(pack.id, number);
        if (!fresh) {
            return at->second;
        }
        const bool is_condemned = condemned.packs.find(pack.id) != condemned.packs.end();
        packs.push_back(
            {pack.id, pack.size, is_condemned, static_cast<std::uint32_t>(pack.frames.size())});
        std::vector<IndexedFrame>& own = frames.emplace_back();
        for (const SegmentFrame& frame : pack.frames) {
            own.push_back({frame.key_class, records.at(frame.key_record), frame.nonce,
                           frame.encoding, frame.offset, frame.stored_size, frame.plain_size,
                           frame.blobs});
        }
        return number;
    }

    void add_segment(const Segment& segment)
    {
        std::vector<std::uint32_t> numbers;
        for (const SegmentPack& pack : segment.footer.packs) {
            numbers.push_back(add_pack(pack, segment.footer.key_records));
        }
        for (const SegmentEntry& entry : segment.entries) {
            rows.push_back(
                {entry.id,
                 {numbers[entry.pack], entry.frame, entry.offset, entry.length, entry.kind}});
        }
        writers.emplace_back(segment.footer.session, segment.footer.written);
        if (segment.footer.checkpoint) {
            checkpoints.push_back(
                {segment.footer.session, segment.footer.written, *segment.footer.checkpoint});
        }
    }

    void finish_loading()
    {
        std::sort(rows.begin(), rows.end(), row_less);
        const auto same = [](const Row& a, const Row& b) {
            return !row_less(a, b) && !row_less(b, a);
        };
        rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
        std::sort(checkpoints.begin(), checkpoints.end(),
                  [](const FoundCheckpoint& a, const FoundCheckpoint& b) {
                      return a.written < b.written;
                  });
    }

    auto range(const BlobId& id) const
    {
        return std::equal_range(rows.begin(), rows.end(), Row{id, {}},
                                [](const Row& a, const Row& b) { return a.id < b.id; });
    }
};

BlobIndex::BlobIndex() : state_(std::make_unique<State>()) {}

BlobIndex::~BlobIndex() = default;

std::unique_ptr<BlobIndex> BlobIndex::load(Repository& repository, const Condemned& condemned,
                                           Freshness freshness, const std::stop_token& stop,
                                           std::vector<std::string>* damaged)
{
    std::unique_ptr<BlobIndex> index(new BlobIndex);
    State& state = *index->state_;
    state.condemned = condemned;
    for (const SegmentId& id : list_segments(repository, freshness, stop)) {
        try {
            state.add_segment(read_segment(repository, id, stop));
            state.segments.push_back(id);
        } catch (const Error& error) {
            const bool gone = error.code() == ErrorCode::not_found &&
                              !repository.store().stat(segment_key(id), stop);
            if (gone) {
                continue; // replaced meanwhile: what it said stands elsewhere, or costs
                          // deduplication only
            }
            if (error.code() != ErrorCode::damaged || damaged == nullptr) {
                throw;
            }
            damaged->push_back(fmt::format("{}: {}", segment_key(id), error.what()));
        }
    }
    state.finish_loading();
    return index;
}

bool BlobIndex::contains(const BlobId& id) const
{
    const auto [begin, end] = state_->range(id);
    const bool stored = std::any_of(
        begin, end, [this](const Row& row) { return !state_->packs[row.place.pack].condemned; });
    return stored || state_->claimed.contains(id);
}

std::vector<BlobPlace> BlobIndex::find(const BlobId& id) const
{
    std::vector<BlobPlace> places;
    const auto [begin, end] = state_->range(id);
    for (auto at = begin; at != end; ++at) {
        places.push_back(at->place);
    }
    const std::shared_lock lock(state_->mutex);
    std::stable_partition(places.begin(), places.end(), [this](const BlobPlace& place) {
        return !state_->packs[place.pack].condemned;
    });
    for (const Row& row : state_->added) {
        if (row.id == id) {
            places.push_back(row.place);
        }
    }
    return places;
}

bool BlobIndex::claim(const BlobId& id)
{
    const auto [begin, end] = state_->range(id);
    const bool stored = std::any_of(
        begin, end, [this](const Row& row) { return !state_->packs[row.place.pack].condemned; });
    return !stored && state_->claimed.insert(id);
}

void BlobIndex::add(const SegmentPack& pack, const std::vector<KeyRecord>& key_records,
                    const std::vector<SegmentEntry>& entries)
{
    const std::unique_lock lock(state_->mutex);
    const std::uint32_t number = state_->add_pack(pack, key_records);
    for (const SegmentEntry& entry : entries) {
        if (entry.kind != BlobKind::data) { // chunks are not read back while they are written
            state_->added.push_back(
                {entry.id, {number, entry.frame, entry.offset, entry.length, entry.kind}});
        }
    }
}

const IndexedPack& BlobIndex::pack(std::uint32_t number) const
{
    const std::shared_lock lock(state_->mutex);
    return state_->packs.at(number);
}

std::uint32_t BlobIndex::packs() const
{
    const std::shared_lock lock(state_->mutex);
    return static_cast<std::uint32_t>(state_->packs.size());
}

IndexedFrame BlobIndex::frame(std::uint32_t pack, std::uint32_t number) const
{
    const std::shared_lock lock(state_->mutex);
    return state_->frames.at(pack).at(number);
}

std::vector<IndexedFrame> BlobIndex::frames(std::uint32_t pack) const
{
    const std::shared_lock lock(state_->mutex);
    return state_->frames.at(pack);
}

std::uint64_t BlobIndex::size() const
{
    return state_->rows.size();
}

std::vector<std::uint64_t> BlobIndex::ordinals(const BlobId& id) const
{
    std::vector<std::uint64_t> ordinals;
    const auto [begin, end] = state_->range(id);
    for (auto at = begin; at != end; ++at) {
        ordinals.push_back(static_cast<std::uint64_t>(at - state_->rows.begin()));
    }
    return ordinals;
}

void BlobIndex::for_each(
    const std::function<void(std::uint64_t ordinal, const BlobId&, const BlobPlace&)>& each) const
{
    for (std::size_t i = 0; i < state_->rows.size(); ++i) {
        each(i, state_->rows[i].id, state_->rows[i].place);
    }
}

const std::vector<SegmentId>& BlobIndex::segments() const
{
    return state_->segments;
}

const std::vector<BlobIndex::FoundCheckpoint>& BlobIndex::checkpoints() const
{
    return state_->checkpoints;
}

std::vector<std::pair<SessionId, Timestamp>> BlobIndex::segment_writers() const
{
    return state_->writers;
}

} // namespace backstay::core
