#pragma once

#include "format/snapshot_record.hpp"
#include "repo/condemned.hpp"

#include <optional>
#include <string>
#include <vector>

namespace backstay::core {

/// A snapshot that counts, with what notes changed about it.
struct Snapshot {
    SnapshotRecord record;
    std::vector<std::string> tags; ///< sorted
    std::string comment;
    bool pinned = false;
    std::vector<BlobId> lost;      ///< what repair marked
    std::vector<SessionId> notes;  ///< in force
    Timestamp stored;              ///< by the store's clock: a hint
    Digest digest{};               ///< SHA-256 of the object
    SlotId signer{};
};

/// A snapshot that is there but cannot be read: shown, never used, never forgotten by policy.
struct UnreadableSnapshot {
    SessionId id{};
    std::string why;
};

struct SnapshotList {
    std::vector<Snapshot> snapshots; ///< by time, oldest first (ties by counter, then id)
    std::vector<UnreadableSnapshot> unreadable;
};

/// Lists snapshots/ fresh first, reads gc/ second, then notes/. Those that count.
SnapshotList list_snapshots(Repository& repository, const std::stop_token& stop);

/// Which snapshots are meant: all conditions must hold; several of one kind: any of them.
struct SnapshotFilter {
    std::vector<std::string> hosts;
    std::vector<std::string> tags;  ///< each may be "a,b": both
    std::vector<std::string> paths; ///< absolute; a source's root
    std::string kind = "backup";    ///< "" for all
    bool matches(const Snapshot& snapshot) const;
};

/// "latest", "latest~2", or an unambiguous prefix (at least 1 digit) of an id. Throws Error{not_found} listing what is near, Error{invalid} if ambiguous.
const Snapshot& find_snapshot(const SnapshotList& list, const std::string& name, const SnapshotFilter& filter);

/// Whether snapshots/<id> is a snapshot and not spent, asked anew.
bool snapshot_counts(Repository& repository, const SessionId& id, const std::stop_token& stop);

/// Writes a note that replaces those in force.
struct SnapshotChange {
    std::optional<std::vector<std::string>> tags;
    std::optional<bool> pinned;
    std::optional<std::string> comment;
};
void write_note(Repository& repository, const Snapshot& snapshot, const SnapshotChange& change, const std::stop_token& stop);

} // namespace backstay::core
