#pragma once

#include "codec/hash.hpp"
#include "format/snapshot_record.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// A snapshot that counts, with what notes changed about it.
struct Snapshot {
    SnapshotRecord record;
    std::vector<std::string> tags; ///< sorted
    std::string comment;
    bool pinned = false;
    std::vector<BlobId> lost;     ///< what repair marked
    std::vector<SessionId> notes; ///< in force
    Timestamp stored;             ///< by the store's clock: a hint
    Digest digest{};              ///< SHA-256 of the object
    SlotId signer{};
};

/// A snapshot that is there but cannot be read: shown, never used, never forgotten by policy.
struct UnreadableSnapshot {
    SessionId id{};
    std::string why;
    Timestamp stored; ///< as of Snapshot
};

/// A note that cannot be read: it may pin, or name what is lost, so nothing is forgotten by policy
/// while there is one.
struct UnreadableNote {
    SessionId id{};
    std::string why;
};

struct SnapshotList {
    std::vector<Snapshot> snapshots; ///< by time, oldest first (ties by counter, then id)
    std::vector<UnreadableSnapshot> unreadable;
    std::vector<UnreadableNote> unreadable_notes;
};

} // namespace backstay::core
