#include "engine/snapshot_access.hpp"

#include "base/error.hpp"
#include "repo/heartbeat.hpp"

#include <fmt/core.h>

namespace backstay::core
{

struct SnapshotAccess::State {
    Repository& repository;
    Snapshot snapshot;
    std::unique_ptr<Session> session;
    std::unique_ptr<Heartbeat> heartbeat;
    std::shared_ptr<BlobIndex> index;
    std::shared_ptr<BlobReader> reader;
    std::unique_ptr<RepositoryView> root;
    std::vector<std::string> damaged_segments = {};
};

std::unique_ptr<Session> announce_reader(Repository& repository, const std::string& purpose,
                                         const std::stop_token& stop)
{
    try {
        return std::make_unique<Session>(repository, purpose, Session::Use::reading, stop);
    } catch (const Error& error) {
        const bool may_not = error.code() == ErrorCode::denied ||
                             error.code() == ErrorCode::no_space ||
                             error.code() == ErrorCode::storage;
        if (!may_not) {
            throw;
        }
        return nullptr;
    }
}

SnapshotAccess::SnapshotAccess(Repository& repository, const Snapshot& snapshot,
                               const EngineLimits& limits, Announce announced,
                               const std::stop_token& stop)
    : state_(new State{repository, snapshot, nullptr, nullptr, nullptr, nullptr, nullptr})
{
    if (announced == Announce::yes) {
        state_->session = announce_reader(repository, "restore", stop);
    }
    if (state_->session) {
        state_->heartbeat = std::make_unique<Heartbeat>(repository, state_->session->id(), stop);
    }
    const auto still_counts = [&repository, id = snapshot.record.id, stop] {
        return snapshot_counts(repository, id, stop);
    };
    // Reader 3: announced first, then chosen again, then the index read.
    if (state_->session && !still_counts()) {
        throw Error(ErrorCode::fenced, "the snapshot was forgotten meanwhile",
                    snapshot.record.id.hex());
    }
    const Condemned condemned =
        state_->session ? state_->session->condemned() : read_condemned(repository, stop);
    state_->index =
        BlobIndex::load(repository, condemned, Freshness::fresh, stop, &state_->damaged_segments);
    if (!state_->damaged_segments.empty()) {
        state_->index = BlobIndex::load_with_packs(repository, condemned, stop);
    }
    state_->reader =
        std::make_shared<BlobReader>(repository, state_->index, limits.memory / 8, still_counts);
    state_->root = std::make_unique<RepositoryView>(state_->reader, snapshot.record.root);
}

SnapshotAccess::~SnapshotAccess() = default;

RepositoryView& SnapshotAccess::root()
{
    return *state_->root;
}

const Snapshot& SnapshotAccess::snapshot() const
{
    return state_->snapshot;
}

BlobReader& SnapshotAccess::reader()
{
    return *state_->reader;
}

BlobIndex& SnapshotAccess::index()
{
    return *state_->index;
}

const std::vector<std::string>& SnapshotAccess::damaged_segments() const
{
    return state_->damaged_segments;
}

std::unique_ptr<RepositoryView> SnapshotAccess::at(const std::string& path)
{
    const std::string where = snapshot_path(path);
    for (const SnapshotSource& source : state_->snapshot.record.sources) {
        if (source.name == where) {
            return state_->root->at(where, source.record);
        }
    }
    if (!state_->root->lookup(where)) { // told in the words it was asked in
        throw Error(ErrorCode::not_found, "there is no such path in the snapshot", path);
    }
    return state_->root->at(where);
}

void SnapshotAccess::finish(const std::stop_token& stop)
{
    if (state_->session) {
        state_->heartbeat.reset();
        state_->session->finish_reading(stop);
        state_->session.reset();
    }
    if (!snapshot_counts(state_->repository, state_->snapshot.record.id, stop)) {
        throw Error(ErrorCode::fenced,
                    "the snapshot was forgotten while it was read: what was read may not be whole",
                    state_->snapshot.record.id.hex());
    }
}

std::string snapshot_path(const std::string& path)
{
    std::string_view rest = path;
    while (rest.ends_with('/')) {
        rest.remove_suffix(1);
    }
    if (rest.empty()) {
        return path.empty() ? "" : "files";
    }
    const bool absolute = rest.starts_with('/');
    while (rest.starts_with('/')) {
        rest.remove_prefix(1);
    }
    std::string out = absolute ? "files/" + std::string(rest) : std::string(rest);
    if (!is_entry_path(out)) {
        throw Error(ErrorCode::invalid,
                    "a path into a snapshot has no empty name, no \".\" and no \"..\"", path);
    }
    return out;
}

} // namespace backstay::core
