#include "engine/series.hpp"

#include "format/encoding.hpp"

#include <algorithm>

namespace backstay::core
{

std::string series_name(const KeyChain& keys, const std::string& host,
                        const std::vector<BackupSource>& sources)
{
    std::vector<Bytes> parts;
    for (const BackupSource& source : sources) {
        Bytes part;
        Encoder encoder(part);
        encoder.text(source.name);
        encoder.text(source.kind);
        for (const std::string& root : source.roots) {
            encoder.text(root);
        }
        parts.push_back(std::move(part));
    }
    std::sort(parts.begin(), parts.end());
    Bytes all;
    Encoder encoder(all);
    encoder.text("series");
    encoder.text(host);
    for (const Bytes& part : parts) {
        encoder.blob(part);
    }
    return to_hex(keys.fingerprint(all));
}

const Snapshot* predecessor_of(const SnapshotList& list, const std::string& series)
{
    const Snapshot* newest = nullptr;
    for (const Snapshot& snapshot : list.snapshots) {
        const bool later = newest == nullptr || snapshot.record.counter >= newest->record.counter;
        if (snapshot.record.series == series && later) {
            newest = &snapshot;
        }
    }
    return newest;
}

std::optional<Snapshot> choose_parent(const SnapshotList& list, const std::string& named,
                                      const std::string& series, const std::string& host)
{
    if (named == "none") {
        return std::nullopt;
    }
    if (!named.empty()) {
        if (!named.starts_with("latest")) {
            return find_snapshot(list, named, {});
        }
        SnapshotList readable = list;
        readable.unreadable.clear(); // which costs reading again, not the backup
        SnapshotFilter filter;
        filter.hosts = {host};
        return find_snapshot(readable, named, filter);
    }
    const Snapshot* newest = predecessor_of(list, series);
    return newest != nullptr ? std::optional(*newest) : std::nullopt;
}

} // namespace backstay::core
