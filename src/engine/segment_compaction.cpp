#include "engine/segment_compaction.hpp"

#include "engine/segment_rewrite.hpp"
#include "repo/session.hpp"

#include <optional>
#include <unordered_set>

namespace backstay::core
{

namespace
{

/// Bytes of an object, which are some 2,500 places of blobs.
constexpr std::uint64_t small = 128 * KiB;
constexpr std::int64_t seconds_to_resume = 7 * 24 * 3600;

using Sessions = std::unordered_set<SessionId, IdHash>;

std::vector<SegmentId> small_segments(Repository& repository, const std::stop_token& stop)
{
    std::vector<SegmentId> segments;
    repository.store().list(
        "index/", Freshness::fresh,
        [&segments](const ObjectInfo& object) {
            const auto id = parse_id_key<SegmentId>("index/", object.key);
            if (id && object.size < small) {
                segments.push_back(*id);
            }
        },
        stop);
    return segments;
}

Sessions listed_sessions(Repository& repository, const std::stop_token& stop)
{
    Sessions sessions;
    for (const ListedSession& session : list_sessions(repository, stop)) {
        sessions.insert(session.id);
    }
    return sessions;
}

/// Those among small ones that nobody has a use for as they are.
std::vector<SegmentId> settled_segments(Repository& repository, const std::stop_token& stop)
{
    const std::vector<SegmentId> segments = small_segments(repository, stop);
    if (segments.size() <= most_small_segments) {
        return {};
    }
    // After the segments: whose session is not listed any more has ended.
    const Sessions going_on = listed_sessions(repository, stop);
    const std::int64_t now = repository.clock().now().seconds;
    std::vector<SegmentId> settled;
    for (const SegmentId& id : segments) {
        const std::optional<Segment> segment = read_segment_if_there(repository, id, stop);
        if (!segment || going_on.contains(segment->footer.session)) {
            continue;
        }
        const bool may_be_resumed = segment->footer.checkpoint.has_value() &&
                                    now - segment->footer.written.seconds < seconds_to_resume;
        if (!may_be_resumed) {
            settled.push_back(id);
        }
    }
    return settled;
}

} // namespace

std::vector<SegmentId> compact_segments(Repository& repository, const std::stop_token& stop)
{
    const std::vector<SegmentId> settled = settled_segments(repository, stop);
    if (settled.size() <= most_small_segments) {
        return {};
    }
    const Condemned nothing;
    SegmentRewrite rewrite(repository, nothing, stop);
    for (const SegmentId& id : settled) {
        if (const auto segment = read_segment_if_there(repository, id, stop)) {
            rewrite.replace(id, *segment);
        }
    }
    rewrite.finish({});
    return rewrite.replaced();
}

} // namespace backstay::core
