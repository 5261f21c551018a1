#pragma once

#include "engine/backup.hpp"

#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// What makes two snapshots successive states of one thing: host, and the sources' names, kinds and
/// roots. Keyed, so that the name tells nothing.
std::string series_name(const KeyChain& keys, const std::string& host,
                        const std::vector<BackupSource>& sources);

/// The snapshot that unchanged entries are taken over from: the one named, or the newest of the
/// series; none if "none" is named or there is none.
std::optional<Snapshot> choose_parent(const SnapshotList& list, const std::string& named,
                                      const std::string& series, const std::string& host);

/// The newest of the series: what the chain goes on from.
const Snapshot* predecessor_of(const SnapshotList& list, const std::string& series);

} // namespace backstay::core
