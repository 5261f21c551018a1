#pragma once

#include "engine/job_context.hpp"
#include "repo/blob_reader.hpp"
#include "repo/snapshot_catalog.hpp"

#include <functional>
#include <vector>

namespace backstay::core
{

/// Everything snapshots refer to: a bit for each ordinal of the index. Plain value.
class Marks
{
public:
    explicit Marks(std::uint64_t ordinals) : bits_((ordinals + 63) / 64) {}
    bool test(std::uint64_t ordinal) const
    {
        return (bits_[ordinal / 64] >> (ordinal % 64) & 1) != 0;
    }
    /// True if it was not set before.
    bool set(std::uint64_t ordinal);
    std::uint64_t count() const;

private:
    std::vector<std::uint64_t> bits_;
};

/// What a walk over snapshots meets on its way.
struct MarkFindings {
    /// A blob no place is known of, or that cannot be read (trees and list pages only are read).
    /// `path` within the snapshot, as far as known.
    std::function<void(const Snapshot& snapshot, const std::string& path, const BlobId& id,
                       BlobKind kind, const std::string& why)>
        missing;
    /// Whether a place is known to be readable; a blob without one is told as missing. Empty: every
    /// place is believed.
    std::function<bool(const BlobPlace&)> usable;
};

/// Marks all places of every tree page, list page and chunk below the snapshots' roots (and their
/// lists of problems). Each page is read once, however many snapshots have it; memory is bounded.
/// Uses `limits.threads`. Blobs that a note says are lost are passed over.
void mark_snapshots(BlobReader& reader, const std::vector<Snapshot>& snapshots, Marks& marks,
                    const MarkFindings& findings, const EngineLimits& limits, JobContext& context);

} // namespace backstay::core
