#pragma once

#include "repo/condemned.hpp"
#include "repo/snapshot.hpp"
#include "repo/snapshot_notes.hpp"
#include "repo/snapshot_search.hpp"

namespace backstay::core
{

/// Lists snapshots/ fresh first, gc/ and notes/ second, and reads them. Those that count. Notes in
/// force together (made at the same time by two who did not know of each other) are joined: all
/// their tags, pinned if any pins, the last comment. Throws Error{damaged} if gc/ cannot be read
/// whole.
SnapshotList list_snapshots(Repository& repository, const std::stop_token& stop);

/// The same by Repository::outlook(), for those to whom it is no matter if a snapshot was made
/// since the repository was opened: who shows snapshots, or chooses one and announces itself after
/// that.
SnapshotList list_snapshots_seen(Repository& repository, const std::stop_token& stop);

/// Whether snapshots/<id> is a snapshot and not spent, asked anew.
bool snapshot_counts(Repository& repository, const SessionId& id, const std::stop_token& stop);

} // namespace backstay::core
