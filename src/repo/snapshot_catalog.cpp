#include "repo/snapshot_catalog.hpp"

#include "base/error.hpp"
#include "base/side_by_side.hpp"
#include "repo/named_error.hpp"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace backstay::core
{

namespace
{

struct ListedSnapshot {
    SessionId id;
    Timestamp stored;
};

/// Empty for a tombstone.
std::optional<Snapshot> read_snapshot(Repository& repository, const ListedSnapshot& listed,
                                      const std::stop_token& stop)
{
    const std::string key = snapshot_key(listed.id);
    const auto object =
        repository.read_any(key, {ObjectType::snapshot, ObjectType::tombstone}, stop);
    const bool is_tombstone = object.type == ObjectType::tombstone;
    Snapshot snapshot;
    const SessionId id = naming(key, [&] {
        if (is_tombstone) {
            return decode_tombstone(object.body).id;
        }
        snapshot.record = decode_snapshot(object.body);
        return snapshot.record.id;
    });
    if (id != listed.id) {
        throw Error(ErrorCode::damaged, key + ": this was made under another name", key);
    }
    if (is_tombstone) {
        return std::nullopt;
    }
    snapshot.stored = listed.stored;
    snapshot.digest = object.digest;
    snapshot.signer = object.signer;
    return snapshot;
}

/// What stands at one name: neither for a tombstone, or what was forgotten since it was listed.
struct FoundSnapshot {
    std::optional<Snapshot> snapshot;
    std::optional<UnreadableSnapshot> unreadable;
};

FoundSnapshot look_at(Repository& repository, const ListedSnapshot& listed,
                      const std::stop_token& stop)
{
    try {
        return {read_snapshot(repository, listed, stop), std::nullopt};
    } catch (const Error& error) {
        if (error.code() == ErrorCode::not_found) {
            return {};
        }
        if (!is_unreadable(error)) {
            throw;
        }
        return {std::nullopt, UnreadableSnapshot{listed.id, error.what(), listed.stored}};
    }
}

SnapshotList read_snapshots(Repository& repository, const Outlook& outlook,
                            const std::stop_token& stop)
{
    const Condemned condemned = read_condemned(repository, outlook.condemnations, stop);
    std::vector<ListedSnapshot> listed;
    for (const ObjectInfo& info : outlook.snapshots) {
        const auto id = parse_id_key<SessionId>("snapshots/", info.key);
        if (id && !condemned.sessions.contains(*id)) {
            listed.push_back({*id, info.modified});
        }
    }
    std::vector<FoundSnapshot> found(listed.size());
    side_by_side("snapshots", listed.size(), repository.reads_at_once(stop), stop,
                 [&](std::size_t at, const std::stop_token& stopped) {
                     found[at] = look_at(repository, listed[at], stopped);
                 });

    SnapshotList list;
    for (FoundSnapshot& one : found) {
        if (one.snapshot) {
            list.snapshots.push_back(std::move(*one.snapshot));
        } else if (one.unreadable) {
            list.unreadable.push_back(std::move(*one.unreadable));
        }
    }
    std::sort(list.snapshots.begin(), list.snapshots.end(),
              [](const Snapshot& a, const Snapshot& b) {
                  return std::tie(a.record.time, a.record.counter, a.record.id) <
                         std::tie(b.record.time, b.record.counter, b.record.id);
              });
    apply_notes(repository, outlook.notes, list, stop);
    return list;
}

} // namespace

SnapshotList list_snapshots(Repository& repository, const std::stop_token& stop)
{
    return read_snapshots(repository, list_outlook(repository.store(), {}, {}, stop), stop);
}

SnapshotList list_snapshots_seen(Repository& repository, const std::stop_token& stop)
{
    return read_snapshots(repository, repository.outlook(stop), stop);
}

bool snapshot_counts(Repository& repository, const SessionId& id, const std::stop_token& stop)
{
    const std::string key = snapshot_key(id);
    bool listed = false;
    repository.store().list(
        key, Freshness::fresh, [&](const ObjectInfo& info) { listed |= info.key == key; }, stop);
    if (!listed) {
        return false;
    }
    try {
        const auto object =
            repository.read_any_fresh(key, {ObjectType::snapshot, ObjectType::tombstone}, stop);
        if (object.type != ObjectType::snapshot) {
            return false;
        }
    } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found) {
            throw;
        }
        return false;
    }
    return !read_condemned(repository, stop).sessions.contains(id);
}

} // namespace backstay::core
