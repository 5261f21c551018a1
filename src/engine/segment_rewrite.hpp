#pragma once

#include "repo/condemned.hpp"
#include "repo/pack_rewriter.hpp"

#include <set>
#include <stop_token>
#include <vector>

namespace backstay::core
{

/// Segments in the place of those that list condemned packs: what they say of other packs, and
/// what was copied out of the condemned ones. One thread at a time.
class SegmentRewrite
{
public:
    /// Both must outlive it.
    SegmentRewrite(Repository& repository, const Condemned& condemned, std::stop_token stop);

    /// Looks at a segment of before. Throws Error.
    void add(const SegmentId& id);
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
