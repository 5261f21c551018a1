#pragma once

#include "repo/blob_index.hpp"
#include "repo/condemned.hpp"
#include "repo/pack_rewriter.hpp"

#include <optional>
#include <set>
#include <stop_token>
#include <vector>

namespace backstay::core
{

/// Empty if it has gone: what it said of packs that are not condemned for everybody stands in what
/// replaced it. Throws Error.
std::optional<Segment> read_segment_if_there(Repository& repository, const SegmentId& id,
                                             const std::stop_token& stop);

/// Segments in the place of others: what those say of packs that are not condemned, and what was
/// copied out of condemned ones. One thread at a time.
class SegmentRewrite
{
public:
    /// Both must outlive it.
    SegmentRewrite(Repository& repository, const Condemned& condemned, std::stop_token stop);

    /// Replaces a segment of before if it lists condemned packs, or none at all. Throws Error.
    void add(const SegmentId& id);
    /// Replaces a segment of before. Throws Error.
    void replace(const SegmentId& id, const Segment& segment);
    /// Stores what was added, and `copies`. Throws Error.
    void finish(PackRewriter::Stored copies);

    /// Segments of before that are needed no more, after finish().
    const std::vector<SegmentId>& replaced() const { return replaced_; }

private:
    void keep_living(const Segment& segment);
    void write_pending();
    bool is_condemned(const SegmentPack& pack) const { return condemned_.packs.contains(pack.id); }

    Repository& repository_;
    const Condemned& condemned_;
    const std::stop_token stop_;
    const SessionId writer_;
    PackRewriter::Stored pending_;
    std::vector<SegmentId> replaced_;
    std::set<SegmentId> written_;
};

} // namespace backstay::core
