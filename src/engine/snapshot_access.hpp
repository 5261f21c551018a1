#pragma once

#include "engine/job_context.hpp"
#include "repo/repository_view.hpp"
#include "repo/session.hpp"
#include "repo/snapshot_catalog.hpp"

#include <memory>
#include <string>

namespace backstay::core
{

/// A reader announces itself where it may; where it may not (a read-only store, a key without the
/// right) it reads all the same: then null.
std::unique_ptr<Session> announce_reader(Repository& repository, const std::string& purpose,
                                         const std::stop_token& stop);

/// A snapshot opened for reading: index, reader, view of its root. Where it may, it announces a
/// reader's session, so that a collection elsewhere waits for it. Thread-safe but for finish().
class SnapshotAccess
{
public:
    enum class Announce { no, yes };
    SnapshotAccess(Repository& repository, const Snapshot& snapshot, const EngineLimits& limits,
                   Announce announce, const std::stop_token& stop);
    ~SnapshotAccess();

    RepositoryView& root();
    const Snapshot& snapshot() const;
    /// The view of a PATH as the command and the C ABI write it: "" the root; "/a/b" is
    /// "files/a/b"; else relative to the root. Throws Error{not_found}.
    std::unique_ptr<RepositoryView> at(const std::string& path);
    BlobReader& reader();
    /// The index as it was loaded; its numbers hold as long as this object lives, whatever the
    /// reader reads again.
    BlobIndex& index();
    /// Segments of the index that could not be read, and why: in their place stands what the packs
    /// say themselves.
    const std::vector<std::string>& damaged_segments() const;
    /// Throws Error{fenced} if what was read may have been removed meanwhile (reader's rule 3).
    /// Call before reporting success.
    void finish(const std::stop_token& stop);

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// "/a/b" -> "files/a/b"; strips '/' at both ends. Throws Error{invalid} for "..", "." and empty
/// names.
std::string snapshot_path(const std::string& path);

} // namespace backstay::core
