#include "repo/blob_reader.hpp"

#include "base/bounded_queue.hpp"
#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "repo/frame_reader.hpp"
#include "repo/unreadable_frames.hpp"

#include <chrono>
#include <condition_variable>
#include <fmt/core.h>
#include <optional>
#include <set>

namespace backstay::core
{

namespace
{

constexpr std::size_t most_wanted = 256; ///< hints waiting; more are dropped
/// How long a snapshot is believed to count once that was asked.
constexpr std::chrono::seconds counts_for{5};
constexpr std::uint64_t most_opened_ahead = 8 * MiB;
/// Of which compression leaves less: a few reads' worth.
constexpr std::uint64_t plain_fetched_ahead = 64 * MiB;

} // namespace

struct BlobReader::State {
    const std::size_t cache_bytes;
    FrameCache cache;
    FrameReader frames;
    std::function<bool()> still_counts;
    std::mutex mutex;                       // guards newer
    std::shared_ptr<BlobIndex> newer;       ///< read again after a miss
    std::mutex last_resort_mutex;           // guards last_resort
    std::unique_ptr<BlobIndex> last_resort; ///< from all packs, once a blob was not found
    std::mutex counting_mutex;              // guards counted
    std::optional<std::chrono::steady_clock::time_point> counted;
    UnreadableFrames unreadable;
    std::mutex opening_mutex; // guards opening
    std::condition_variable_any opened;
    std::set<FrameCache::Key> opening;
    BoundedQueue<BlobId> wanted{most_wanted};
    std::once_flag ahead_started;
    WorkerGroup ahead; ///< reads what prefetch() hinted at

    State(Repository& repository, std::size_t bytes, std::function<bool()> counts)
        : cache_bytes(bytes), cache(bytes), frames(repository, 2 * bytes),
          still_counts(std::move(counts))
    {
    }

    /// Much that is lost is not asked about one by one.
    bool counts()
    {
        const std::lock_guard lock(counting_mutex);
        const auto now = std::chrono::steady_clock::now();
        if (still_counts && (!counted || now - *counted > counts_for)) {
            if (!still_counts()) {
                return false;
            }
            counted = now;
        }
        return true;
    }

    std::shared_ptr<BlobIndex> newest()
    {
        const std::lock_guard lock(mutex);
        return newer;
    }

    /// One opens a frame, the others wait for it. True if the caller is to open it; then done()
    /// must follow.
    bool begin_opening(const FrameCache::Key& key, const std::stop_token& stop)
    {
        std::unique_lock lock(opening_mutex);
        if (opening.insert(key).second) {
            return true;
        }
        opened.wait(lock, stop, [&] { return !opening.contains(key); });
        return false;
    }
    void done_opening(const FrameCache::Key& key)
    {
        {
            const std::lock_guard lock(opening_mutex);
            opening.erase(key);
        }
        opened.notify_all();
    }
};

BlobReader::BlobReader(Repository& repository, std::shared_ptr<BlobIndex> index,
                       std::size_t cache_bytes, std::function<bool()> still_counts)
    : repository_(repository), index_(std::move(index)),
      state_(std::make_unique<State>(repository, cache_bytes, std::move(still_counts)))
{
}

BlobReader::~BlobReader()
{
    state_->wanted.close();
    state_->ahead.request_stop();
}

void BlobReader::prefetch(const std::vector<BlobId>& ids)
{
    std::call_once(state_->ahead_started, [this] {
        state_->ahead.start("read ahead", [this](const std::stop_token& stop) {
            while (const std::optional<BlobId> id = state_->wanted.pop(stop)) {
                try {
                    open_frame_of(*id, stop);
                } catch (const Error&) { // a hint: whoever reads it is told
                }
            }
        });
    });
    for (const BlobId& id : ids) {
        if (!state_->wanted.try_push(id)) {
            return;
        }
    }
}

std::uint64_t BlobReader::opened_ahead() const
{
    return std::min<std::uint64_t>(most_opened_ahead, state_->cache_bytes / 8);
}

std::uint64_t BlobReader::fetched_ahead() const
{
    return state_->frames.fetches_ahead() ? plain_fetched_ahead : 0;
}

void BlobReader::expect(const std::vector<BlobId>& ids)
{
    std::vector<ExpectedFrames::Frame> frames;
    for (const BlobId& id : ids) {
        const std::vector<BlobPlace> places = index_->find(id);
        if (places.empty()) {
            continue;
        }
        const BlobPlace& place = places.front();
        const FrameCache::Key key{index_->pack(place.pack).id, place.frame};
        const bool again = !frames.empty() && frames.back().key == key;
        if (!again && !state_->cache.find(key)) {
            const IndexedFrame frame = index_->frame(place.pack, place.frame);
            frames.push_back({key, {frame.offset, frame.offset + frame.stored_size}});
        }
    }
    if (!frames.empty()) {
        state_->frames.expected().expect(frames);
    }
}

/// Null if it cannot be had; `why` says so.
std::shared_ptr<const Bytes> BlobReader::frame_at(BlobIndex& index, const BlobPlace& place,
                                                  std::string& why, const std::stop_token& stop)
{
    const PackId& pack = index.pack(place.pack).id;
    const FrameCache::Key key{pack, place.frame};
    while (true) {
        throw_if_stopped(stop);
        if (FrameCache::Plain plain = state_->cache.find(key)) {
            return plain;
        }
        if (const auto known = state_->unreadable.why(key)) {
            why = *known;
            return nullptr;
        }
        if (state_->begin_opening(key, stop)) {
            break;
        }
    }
    struct Done {
        State& state;
        const FrameCache::Key& key;
        ~Done() { state.done_opening(key); }
    } const done{*state_, key};
    FrameCache::Plain plain =
        state_->frames.read(key, index.frame(place.pack, place.frame), why, stop);
    if (plain) {
        state_->cache.add(key, plain);
    } else {
        state_->unreadable.add(key, why);
    }
    return plain;
}

/// Ahead of whoever reads it, and proves it.
void BlobReader::open_frame_of(const BlobId& id, const std::stop_token& stop)
{
    const std::vector<BlobPlace> places = index_->find(id);
    if (!places.empty()) {
        std::string why;
        frame_at(*index_, places.front(), why, stop);
    }
}

std::optional<BlobReader::Found> BlobReader::find_in(BlobIndex& index, const BlobId& id,
                                                     BlobKind kind, std::string& why,
                                                     const std::stop_token& stop)
{
    for (const BlobPlace& place : index.find(id)) {
        throw_if_stopped(stop);
        const PackId& pack = index.pack(place.pack).id;
        std::string reason;
        const FrameCache::Plain plain = frame_at(index, place, reason, stop);
        if (!plain) {
            why = fmt::format("{}: {}", pack_key(pack), reason);
            continue;
        }
        const bool inside = std::uint64_t{place.offset} + place.length <= plain->size();
        const ByteSpan bytes =
            inside ? ByteSpan(*plain).subspan(place.offset, place.length) : ByteSpan();
        if (inside && repository_.keys().namer().name(kind, bytes) == id) {
            return Found{plain, bytes};
        }
        why = fmt::format("{}: holds other bytes than the blob's", pack_key(pack));
    }
    return std::nullopt;
}

BlobReader::Found BlobReader::find(const BlobId& id, BlobKind kind, const std::stop_token& stop)
{
    std::string why = "no pack that the index knows holds it";
    if (auto found = find_in(*index_, id, kind, why, stop)) {
        return *found;
    }
    // All missed: read the index again, as often as its list differs (protocol.md, "Reader" 2).
    std::shared_ptr<BlobIndex> known = state_->newest();
    if (known) {
        if (auto found = find_in(*known, id, kind, why, stop)) {
            return *found;
        }
    }
    std::vector<SegmentId> before = known ? known->segments() : index_->segments();
    while (list_segments(repository_, Freshness::fresh, stop) != before) {
        std::shared_ptr<BlobIndex> again =
            BlobIndex::load(repository_, read_condemned(repository_, stop), Freshness::fresh, stop);
        if (again->segments() == before) {
            break;
        }
        before = again->segments();
        {
            const std::lock_guard lock(state_->mutex);
            state_->newer = again;
        }
        if (auto found = find_in(*again, id, kind, why, stop)) {
            return *found;
        }
    }
    if (auto found = find_in(all_packs(stop), id, kind, why, stop)) {
        return *found;
    }
    if (!state_->counts()) {
        throw Error(ErrorCode::fenced, "the snapshot was forgotten while it was read", id.hex());
    }
    throw Error(ErrorCode::damaged, fmt::format("blob {} is lost ({})", id.hex(), why), id.hex());
}

/// What no segment tells, because it is lost or damaged, the packs do.
BlobIndex& BlobReader::all_packs(const std::stop_token& stop)
{
    const std::lock_guard lock(state_->last_resort_mutex);
    if (!state_->last_resort) {
        state_->last_resort =
            BlobIndex::load_with_packs(repository_, read_condemned(repository_, stop), stop);
    }
    return *state_->last_resort;
}

Bytes BlobReader::read(const BlobId& id, BlobKind kind, const std::stop_token& stop)
{
    const Found found = find(id, kind, stop);
    return {found.bytes.begin(), found.bytes.end()};
}

void BlobReader::read_part(const BlobId& id, BlobKind kind, std::uint64_t offset,
                           MutableByteSpan out, const std::stop_token& stop)
{
    const Found found = find(id, kind, stop);
    if (offset > found.bytes.size() || out.size() > found.bytes.size() - offset) {
        throw Error(ErrorCode::damaged,
                    fmt::format("blob {} is shorter than what refers to it says", id.hex()),
                    id.hex());
    }
    std::memcpy(out.data(), found.bytes.data() + offset, out.size());
}

} // namespace backstay::core
