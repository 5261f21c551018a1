#pragma once

#include "format/index_segment.hpp"
#include "repo/condemned.hpp"
#include "repo/frame_table.hpp"
#include "repo/index_row.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace backstay::core
{

/// The names of all that index/ lists, sorted.
std::vector<SegmentId> list_segments(Repository& repository, Freshness freshness,
                                     const std::stop_token& stop);

struct IndexedPack {
    PackId id{};
    std::uint64_t size = 0;
    bool condemned = false;
    std::uint32_t frames = 0;
};

/// Everything the repository's segments say: blob -> places, sorted in an unnamed file (RowFile) of
/// which 16 bytes a place are resident; besides, in memory, the packs' frames, and what this
/// session stored.
///
/// Ordinals number the places in the file (those of one id in several packs have several), 0 to
/// size()-1, for mark bitmaps. All but load() is thread-safe.
class BlobIndex
{
public:
    /// Lists index/ and reads what the cache does not have. `condemned`: packs whose places do not
    /// count for contains() (they stay in find(), last). A missing segment is skipped if it has
    /// gone from a new list, too; a damaged one throws Error{damaged}, or goes to `damaged` where
    /// given and is left out.
    static std::unique_ptr<BlobIndex> load(Repository& repository, const Condemned& condemned,
                                           Freshness freshness, const std::stop_token& stop,
                                           std::vector<std::string>* damaged = nullptr);
    /// The same of what can be read, and of what the packs that no segment names say themselves
    /// (those that cannot be read are left out): for who needs what a lost segment knew. Costs two
    /// reads a pack.
    static std::unique_ptr<BlobIndex> load_with_packs(Repository& repository,
                                                      const Condemned& condemned,
                                                      const std::stop_token& stop);
    ~BlobIndex();

    /// Stored in a pack that is not condemned, or added since. What backups deduplicate against.
    bool contains(const BlobId& id) const;

    /// Every place, those in condemned packs last; empty if unknown.
    std::vector<BlobPlace> find(const BlobId& id) const;

    /// Registers `id` as about to be stored by this session; false if it is known or registered
    /// already. Thread-safe: one of several callers gets true.
    bool claim(const BlobId& id);

    /// What a durable pack holds; its blobs can be found from now on. Claims of blobs stay.
    void add(const SegmentPack& pack, const std::vector<KeyRecord>& key_records,
             const std::vector<SegmentEntry>& entries);

    const IndexedPack& pack(std::uint32_t number) const;
    std::uint32_t packs() const;
    IndexedFrame frame(std::uint32_t pack, std::uint32_t number) const;
    /// All frames of a pack at once.
    std::vector<IndexedFrame> frames(std::uint32_t pack) const;

    std::uint64_t size() const; ///< ordinals
    /// The ordinals of a blob (one a place); empty if unknown or only added in this session.
    std::vector<std::uint64_t> ordinals(const BlobId& id) const;
    /// All in order of ordinals, read sequentially.
    void for_each(const std::function<void(std::uint64_t ordinal, const BlobId&, const BlobPlace&)>&
                      each) const;

    /// Names of the segments that this index stands for.
    const std::vector<SegmentId>& segments() const;
    /// Checkpoints found in the segments, with who wrote them and when.
    struct FoundCheckpoint {
        SessionId session{};
        Timestamp written;
        Checkpoint checkpoint;
    };
    const std::vector<FoundCheckpoint>& checkpoints() const;
    /// The last sign of life of each session that wrote a segment.
    std::vector<std::pair<SessionId, Timestamp>> segment_writers() const;

private:
    explicit BlobIndex(const std::string& temporary_folder);
    static std::unique_ptr<BlobIndex> make(Repository& repository, const Condemned& condemned);
    struct State;
    std::unique_ptr<State> state_;
};

struct StoredSegment {
    SegmentId id;
    std::uint64_t size; ///< of the object
};

/// Seals and stores a segment. `entries` need not be sorted. An empty one is a sign of life.
StoredSegment write_segment(Repository& repository, const SessionId& session,
                            std::vector<KeyRecord> key_records, std::vector<SegmentPack> packs,
                            std::vector<SegmentEntry> entries, std::optional<Checkpoint> checkpoint,
                            const std::stop_token& stop);

/// Reads, opens and checks one whole segment. Throws Error{damaged, not_found}.
struct Segment {
    SegmentFooter footer;
    std::vector<SegmentEntry> entries;
};
Segment read_segment(Repository& repository, const SegmentId& id, const std::stop_token& stop);

} // namespace backstay::core
