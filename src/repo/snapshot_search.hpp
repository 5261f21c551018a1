#pragma once

#include "repo/snapshot.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// Which snapshots are meant: all conditions must hold; several of one kind: any of them.
struct SnapshotFilter {
    std::vector<std::string> hosts;
    std::vector<std::string> tags;  ///< each may be "a,b": both
    std::vector<std::string> paths; ///< absolute; a source's root
    std::string kind = "backup";    ///< "" for all
    bool matches(const Snapshot& snapshot) const;
};

/// "latest", "latest~2", or an unambiguous prefix (at least 1 digit) of an id. Throws
/// Error{not_found} listing what is near, Error{invalid} if ambiguous, Error{damaged} if one that
/// cannot be read may be the one that is meant.
const Snapshot& find_snapshot(const SnapshotList& list, const std::string& name,
                              const SnapshotFilter& filter);

} // namespace backstay::core
