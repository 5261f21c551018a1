#pragma once

#include "format/snapshot_view.hpp"
#include "postgres/archive_toc.hpp"

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// A database in a snapshot.
struct SavedDatabase {
    std::string name;
    std::string folder; ///< its path in the view; "" if the view is this one
    bool split = true;  ///< by tables; else one archive
};

/// Those of a view of a source's root, or of one database's folder. Throws Error{invalid} if it is
/// neither.
std::vector<SavedDatabase> list_saved_databases(SnapshotView& view, const std::stop_token& stop);

/// Of a database that is split. Throws Error{damaged}.
PostgresToc read_contents(SnapshotView& view, const SavedDatabase& database,
                          const std::stop_token& stop);

/// The rows (or other data) of an entry; empty if none were saved.
std::optional<Entry> find_block(SnapshotView& view, const SavedDatabase& database,
                                const PostgresTocEntry& entry);

/// A small file of the view as a whole. Throws Error{damaged} if it is larger than `limit`.
Bytes read_whole(SnapshotView& view, const Entry& entry, std::size_t limit,
                 const std::stop_token& stop);

/// Gives a stream to `take` piece by piece, until that says false.
void stream_pieces(SnapshotView& view, const Entry& entry,
                   const std::function<bool(ByteSpan)>& take, const std::stop_token& stop);

} // namespace backstay::core
