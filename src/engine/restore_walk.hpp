#pragma once

#include "engine/path_filter.hpp"
#include "engine/restore.hpp"
#include "engine/snapshot_access.hpp"

#include <functional>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// A part of a snapshot and where it goes below the target's root.
struct RestorePart {
    std::string path;   ///< in the snapshot
    std::string prefix; ///< names before each entry's path
};

/// Without its first names; empty if there are no more than those.
std::string stripped_path(const std::string& path, unsigned names);

/// Goes through what a restore wants of a part, folders before what is in them. One thread at a
/// time.
class RestoreWalk
{
public:
    struct Events {
        /// A wanted entry with its path below the target's root. Folders that are wanted only for
        /// what is in them come when something in them does.
        std::function<void(const Entry&)> take;
        /// The snapshot has more of, or in, this than is restored: no reason to remove anything
        /// there.
        std::function<void(const std::string& path)> leave_out;
        /// A folder that cannot be read; the walk goes on behind it.
        std::function<void(const std::string& path, const std::string& why)> damaged;
    };

    /// All references must outlive it.
    RestoreWalk(SnapshotAccess& access, const RestoreOptions& options, std::stop_token stop);

    void run(const RestorePart& part, const Events& events);

    /// Of what was to be included: what no walk so far has met.
    std::vector<std::string> unmatched() const { return filter_.unmatched(); }

    /// The part's own folder, if it is the target's root and its attributes are meant, too: not
    /// where only some of what is in it is restored, which leaves the attributes out of the entry.
    std::optional<Entry> root_of(const RestorePart& part) const;

private:
    struct Run;

    bool is_wanted(const std::string& path);

    SnapshotAccess& access_;
    const RestoreOptions& options_;
    PathFilter filter_;
    PathFilter first_names_; ///< the same, of files that hard links name
    std::stop_token stop_;
};

} // namespace backstay::core
