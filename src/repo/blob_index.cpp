#include "repo/blob_index.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/side_by_side.hpp"
#include "repo/blob_table.hpp"
#include "repo/kept_index.hpp"
#include "repo/pack_listing.hpp"
#include "repo/row_file.hpp"
#include "repo/row_sorter.hpp"

#include <algorithm>
#include <deque>
#include <fmt/core.h>
#include <iterator>
#include <numeric>
#include <shared_mutex>
#include <unistd.h>
#include <unordered_map>

namespace backstay::core
{

namespace
{

/// For sorting the rows of all segments.
constexpr std::size_t sort_memory = 16 * MiB;

} // namespace

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

struct BlobIndex::State {
    explicit State(const std::string& folder)
        : temporary_folder(folder), sorter(std::in_place, sort_memory, folder)
    {
    }

    std::string temporary_folder;
    Condemned condemned;
    std::vector<SegmentId> segments;
    std::vector<KeptSegment> footers; ///< of `segments`; only while they are loaded
    std::vector<FoundCheckpoint> checkpoints;
    std::vector<std::pair<SessionId, Timestamp>> writers;
    std::optional<RowSorter> sorter; ///< only while segments are loaded
    std::unique_ptr<RowFile> rows;   ///< null only while segments are loaded
    std::vector<bool> row_condemned; ///< by ordinal; empty: none is

    mutable std::shared_mutex mutex; // guards the rest: what this session adds
    std::deque<IndexedPack> packs;
    FrameTable frames; ///< of `packs`
    std::unordered_map<PackId, std::uint32_t, IdHash> pack_numbers;
    std::unordered_multimap<BlobId, BlobPlace, IdHash> added;
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
        frames.add(pack, records);
        return number;
    }

    /// Returns the numbers of its packs.
    std::vector<std::uint32_t> add_footer(const SegmentId& id, const SegmentFooter& footer)
    {
        std::vector<std::uint32_t> numbers;
        for (const SegmentPack& pack : footer.packs) {
            numbers.push_back(add_pack(pack, footer.key_records));
        }
        segments.push_back(id);
        writers.emplace_back(footer.session, footer.written);
        if (footer.checkpoint) {
            checkpoints.push_back({footer.session, footer.written, *footer.checkpoint});
        }
        return numbers;
    }

    void add_segment(const SegmentId& id, Segment segment)
    {
        const std::vector<std::uint32_t> numbers = add_footer(id, segment.footer);
        for (const SegmentEntry& entry : segment.entries) {
            sorter->add(
                {entry.id,
                 {numbers[entry.pack], entry.frame, entry.offset, entry.length, entry.kind}});
        }
        segment.footer.blocks.clear();
        footers.push_back({id, encode_segment_footer(segment.footer)});
    }

    /// False if what was kept is damaged: then this state is spent.
    bool load_kept(Repository& repository, KeptIndex kept, const std::vector<SegmentId>& ids,
                   std::vector<std::string>* damaged, const std::stop_token& stop)
    {
        for (KeptSegment& segment : kept.segments) {
            add_footer(segment.id, decode_segment_footer(segment.footer));
        }
        footers = std::move(kept.segments);
        std::vector<SegmentId> known = segments;
        std::sort(known.begin(), known.end());
        std::vector<SegmentId> fresh;
        std::set_difference(ids.begin(), ids.end(), known.begin(), known.end(),
                            std::back_inserter(fresh));
        load_segments(repository, fresh, damaged, stop);
        try {
            if (segments.size() == known.size()) {
                const bool condemns = any_condemned();
                rows = std::make_unique<RowFile>(
                    std::move(kept.file), std::move(kept.key), kept.rows,
                    [&](const IndexRow& row) { note_condemned(row, condemns); });
                finish_loading();
            } else {
                RowReader reader(kept.file.get(), kept.key.span(), kept.rows);
                sort_rows(repository, Keep::yes, &reader, kept.rows);
            }
        } catch (const Error& error) {
            if (error.code() == ErrorCode::storage) {
                return false;
            }
            throw;
        }
        return true;
    }

    bool any_condemned() const
    {
        return std::any_of(packs.begin(), packs.end(),
                           [](const IndexedPack& pack) { return pack.condemned; });
    }

    void note_condemned(const IndexRow& row, bool condemns)
    {
        if (condemns) {
            row_condemned.push_back(packs.at(row.place.pack).condemned);
        }
    }

    /// As many at a time as the store is worth asking side by side.
    void load_segments(Repository& repository, const std::vector<SegmentId>& ids,
                       std::vector<std::string>* damaged, const std::stop_token& stop)
    {
        side_by_side("index", ids.size(), repository.reads_at_once(stop), stop,
                     [&](std::size_t at, const std::stop_token& stopped) {
                         load_segment(repository, ids[at], damaged, stopped);
                     });
    }

    void load_segment(Repository& repository, const SegmentId& id,
                      std::vector<std::string>* damaged, const std::stop_token& stop)
    {
        try {
            Segment segment = read_segment(repository, id, stop);
            const std::unique_lock lock(mutex);
            add_segment(id, std::move(segment));
        } catch (const Error& error) {
            const bool gone = error.code() == ErrorCode::not_found &&
                              !repository.store().stat(segment_key(id), stop);
            if (gone) {
                return; // replaced meanwhile: what it said stands elsewhere, or costs deduplication
                        // only
            }
            if (error.code() != ErrorCode::damaged || damaged == nullptr) {
                throw;
            }
            const std::unique_lock lock(mutex);
            damaged->push_back(fmt::format("{}: {}", segment_key(id), error.what()));
        }
    }

    void load_unindexed_packs(Repository& repository, const std::stop_token& stop)
    {
        std::vector<std::pair<PackId, std::uint64_t>> unindexed;
        repository.store().list(
            "packs/", Freshness::fresh,
            [&](const ObjectInfo& object) {
                const auto id = parse_pack_key(object.key);
                if (id && !pack_numbers.contains(*id)) {
                    unindexed.emplace_back(*id, object.size);
                }
            },
            stop);
        for (const auto& [id, size] : unindexed) {
            throw_if_stopped(stop);
            try {
                add_pack_listing(
                    list_pack(id, size, read_pack_directory(repository, id, size, stop)));
            } catch (const Error& error) {
                if (error.code() != ErrorCode::damaged && error.code() != ErrorCode::not_found) {
                    throw;
                }
                // What only this pack has is lost: whoever asks for it is told.
            }
        }
    }

    void add_pack_listing(const PackListing& listing)
    {
        const std::uint32_t number = add_pack(listing.pack, listing.key_records);
        for (const SegmentEntry& entry : listing.entries) {
            sorter->add({entry.id, {number, entry.frame, entry.offset, entry.length, entry.kind}});
        }
    }

    enum class Keep { no, yes };

    /// All that was added, and where given what `earlier` has, into a new file.
    void sort_rows(Repository& repository, Keep keep, RowReader* earlier = nullptr,
                   std::uint64_t earlier_rows = 0)
    {
        const bool condemns = any_condemned();
        const KeptIndexKey key = new_kept_index_key(repository.keys());
        rows = std::make_unique<RowFile>(temporary_folder, key.key.clone());
        rows->reserve(sorter->added() + earlier_rows);
        const auto add = [&](const IndexRow& row) {
            rows->add(row);
            note_condemned(row, condemns);
        };
        const IndexRow* next = earlier != nullptr ? earlier->next() : nullptr;
        sorter->drain([&](const IndexRow& row) {
            for (; next != nullptr && *next < row; next = earlier->next()) {
                add(*next);
            }
            if (next == nullptr || *next != row) {
                add(row);
            }
        });
        for (; next != nullptr; next = earlier->next()) {
            add(*next);
        }
        rows->finish();
        if (keep == Keep::yes && rows->size() > 0) {
            keep_index(repository, key, *rows, footers);
        }
        finish_loading();
    }

    void finish_loading()
    {
        sorter.reset();
        footers = {};
        std::sort(checkpoints.begin(), checkpoints.end(),
                  [](const FoundCheckpoint& a, const FoundCheckpoint& b) {
                      return a.written < b.written;
                  });
    }

    /// In a pack that may be relied upon, by the segments.
    bool is_stored(const BlobId& id) const
    {
        const RowFile::Range range = rows->find(id);
        for (std::uint64_t row = range.begin; row < range.end; ++row) {
            if (row_condemned.empty() || !row_condemned[row]) {
                return true;
            }
        }
        return false;
    }
};

BlobIndex::BlobIndex(const std::string& temporary_folder)
    : state_(std::make_unique<State>(temporary_folder))
{
}

BlobIndex::~BlobIndex() = default;

std::unique_ptr<BlobIndex> BlobIndex::load(Repository& repository, const Condemned& condemned,
                                           Freshness freshness, const std::stop_token& stop,
                                           std::vector<std::string>* damaged)
{
    const std::vector<SegmentId> ids = list_segments(repository, freshness, stop);
    if (auto kept = read_kept_index(repository, ids)) {
        std::unique_ptr<BlobIndex> index = make(repository, condemned);
        std::vector<std::string> found;
        if (index->state_->load_kept(repository, std::move(*kept), ids,
                                     damaged != nullptr ? &found : nullptr, stop)) {
            if (damaged != nullptr) {
                damaged->insert(damaged->end(), found.begin(), found.end());
            }
            return index;
        }
    }
    std::unique_ptr<BlobIndex> index = make(repository, condemned);
    index->state_->load_segments(repository, ids, damaged, stop);
    index->state_->sort_rows(repository, State::Keep::yes);
    return index;
}

std::unique_ptr<BlobIndex> BlobIndex::load_with_packs(Repository& repository,
                                                      const Condemned& condemned,
                                                      const std::stop_token& stop)
{
    std::unique_ptr<BlobIndex> index = make(repository, condemned);
    State& state = *index->state_;
    std::vector<std::string> damaged;
    state.load_segments(repository, list_segments(repository, Freshness::fresh, stop), &damaged,
                        stop);
    state.load_unindexed_packs(repository, stop);
    state.sort_rows(repository, State::Keep::no);
    return index;
}

std::unique_ptr<BlobIndex> BlobIndex::make(Repository& repository, const Condemned& condemned)
{
    const std::string& cache = repository.cache_folder();
    const bool usable = !cache.empty() && ::access(cache.c_str(), W_OK | X_OK) == 0;
    std::unique_ptr<BlobIndex> index(new BlobIndex(usable ? cache : temporary_folder()));
    index->state_->condemned = condemned;
    return index;
}

bool BlobIndex::contains(const BlobId& id) const
{
    return state_->is_stored(id) || state_->claimed.contains(id);
}

std::vector<BlobPlace> BlobIndex::find(const BlobId& id) const
{
    std::vector<BlobPlace> places;
    const RowFile::Range range = state_->rows->find(id);
    for (std::uint64_t number = range.begin; number < range.end; ++number) {
        const IndexRow row = state_->rows->read(number);
        if (row.id == id) {
            places.push_back(row.place);
        }
    }
    const std::shared_lock lock(state_->mutex);
    std::stable_partition(places.begin(), places.end(), [this](const BlobPlace& place) {
        return !state_->packs[place.pack].condemned;
    });
    const auto [begin, end] = state_->added.equal_range(id);
    for (auto at = begin; at != end; ++at) {
        places.push_back(at->second);
    }
    return places;
}

bool BlobIndex::claim(const BlobId& id)
{
    return !state_->is_stored(id) && state_->claimed.insert(id);
}

void BlobIndex::add(const SegmentPack& pack, const std::vector<KeyRecord>& key_records,
                    const std::vector<SegmentEntry>& entries)
{
    const std::unique_lock lock(state_->mutex);
    const std::uint32_t number = state_->add_pack(pack, key_records);
    for (const SegmentEntry& entry : entries) {
        if (entry.kind != BlobKind::data) { // chunks are not read back while they are written
            state_->added.emplace(
                entry.id, BlobPlace{number, entry.frame, entry.offset, entry.length, entry.kind});
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
    return state_->frames.frame(pack, number);
}

std::vector<IndexedFrame> BlobIndex::frames(std::uint32_t pack) const
{
    const std::shared_lock lock(state_->mutex);
    return state_->frames.frames(pack);
}

std::uint64_t BlobIndex::size() const
{
    return state_->rows->size();
}

std::vector<std::uint64_t> BlobIndex::ordinals(const BlobId& id) const
{
    const RowFile::Range range = state_->rows->find(id);
    std::vector<std::uint64_t> ordinals(range.end - range.begin);
    std::iota(ordinals.begin(), ordinals.end(), range.begin);
    return ordinals;
}

void BlobIndex::for_each(
    const std::function<void(std::uint64_t ordinal, const BlobId&, const BlobPlace&)>& each) const
{
    state_->rows->for_each(
        [&each](std::uint64_t number, const IndexRow& row) { each(number, row.id, row.place); });
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
