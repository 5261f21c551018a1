#include "engine/forget.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/listing.hpp"
#include "engine/log_retention.hpp"
#include "engine/store_rights.hpp"
#include "repo/session.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <set>

namespace backstay::core
{

namespace
{

/// What no snapshot can have been made after: by this host's clock, and by the store's, if it has
/// one, when the last of them arrived. The earlier counts. A store on this host shares its clock,
/// so that a snapshot made while that was ahead would displace, once it is right again, all that
/// follow.
Timestamp latest_credible(const std::vector<Snapshot>& snapshots, Timestamp host_now)
{
    Timestamp arrived;
    for (const Snapshot& snapshot : snapshots) {
        arrived = std::max(arrived, snapshot.stored);
    }
    return arrived == Timestamp() ? host_now : std::min(arrived, host_now);
}

std::vector<RetentionDecision> decide_by_name(Repository& repository, const SnapshotList& list,
                                              const std::vector<std::string>& names,
                                              JobContext& context)
{
    SnapshotFilter any;
    any.kind = "";
    std::set<SessionId> wanted;
    for (const std::string& name : names) {
        const Snapshot& snapshot = find_and_tell(repository, list, name, any, context);
        if (snapshot.pinned) {
            throw Error(ErrorCode::conflict,
                        fmt::format("snapshot {} is pinned: unpin it first",
                                    snapshot.record.id.hex().substr(0, 12)),
                        name);
        }
        wanted.insert(snapshot.record.id);
    }
    std::vector<RetentionDecision> decisions;
    for (std::size_t i = 0; i < list.snapshots.size(); ++i) {
        if (wanted.find(list.snapshots[i].record.id) != wanted.end()) {
            decisions.push_back({i, "", {"named"}, false});
        }
    }
    return decisions;
}

/// A note that cannot be read may pin any of them.
void demand_readable_notes(const SnapshotList& list)
{
    if (!list.unreadable_notes.empty()) {
        const UnreadableNote& bad = list.unreadable_notes.front();
        throw Error(ErrorCode::damaged,
                    fmt::format("a note cannot be read ({}), so nobody can say which snapshots are "
                                "pinned: restore it from a copy, or forget snapshots by id",
                                bad.why),
                    note_key(bad.id));
    }
}

Record decision_record(const Snapshot& snapshot, const RetentionDecision& decision)
{
    Record record("decision");
    record.set("snapshot", snapshot.record.id.hex())
        .set("time", snapshot.record.time)
        .set("host", snapshot.record.host);
    record.set("tags", snapshot.tags)
        .set("group", decision.group)
        .set("keep", decision.keep)
        .set("reasons", decision.reasons);
    return record;
}

/// A policy never empties a group: that is done by name.
void demand_survivors(const std::vector<RetentionDecision>& decisions)
{
    std::map<std::string, bool> survives;
    for (const RetentionDecision& decision : decisions) {
        bool& kept = survives[decision.group];
        kept = kept || decision.keep;
    }
    for (const auto& [group, kept] : survives) {
        if (!kept) {
            throw Error(ErrorCode::invalid,
                        fmt::format("the policy would keep no snapshot of the group '{}': forget "
                                    "them by id if that is meant",
                                    group));
        }
    }
}

/// A server's log goes when no backup that stays needs it.
std::vector<const Snapshot*> logs_to_forget(const SnapshotList& all,
                                            const std::vector<SessionId>& gone)
{
    const std::set<SessionId> going(gone.begin(), gone.end());
    std::vector<bool> kept;
    for (const Snapshot& snapshot : all.snapshots) {
        kept.push_back(!going.contains(snapshot.record.id));
    }
    return unneeded_logs(all, kept);
}

} // namespace

void forget_sessions(Repository& repository, const std::vector<SessionId>& sessions,
                     JobContext& context)
{
    condemn(repository, {}, sessions, context.stop());
    std::vector<std::string> snapshots;
    std::vector<std::string> announced;
    for (const SessionId& id : sessions) {
        snapshots.push_back(snapshot_key(id));
        announced.push_back(session_key(id));
    }
    repository.store().remove_all(snapshots, context.stop());
    repository.store().remove_all(announced, context.stop());
}

Record run_forget(Repository& repository, const ForgetOptions& options, const EngineLimits& limits,
                  JobContext& context)
{
    const std::stop_token& stop = context.stop();
    if (options.policy.empty() == options.snapshots.empty()) {
        throw Error(ErrorCode::invalid, options.snapshots.empty()
                                            ? "say what to keep (keep-last, keep-daily …) or which "
                                              "snapshots to forget: nothing was forgotten"
                                            : "either name snapshots or give a policy, not both");
    }
    demand_right_to_collect(repository, options.alone, "forget", stop);
    SnapshotList list = list_snapshots(repository, stop);
    const SnapshotList all = options.snapshots.empty() ? list : SnapshotList();
    std::vector<RetentionDecision> decisions;
    if (!options.snapshots.empty()) {
        decisions = decide_by_name(repository, list, options.snapshots, context);
    } else {
        demand_readable_notes(list);
        std::erase_if(list.snapshots, [&options](const Snapshot& snapshot) {
            return !options.filter.matches(snapshot);
        });
        decisions = decide_retention(list.snapshots, options.policy,
                                     latest_credible(list.snapshots, repository.clock().now()));
        demand_survivors(decisions);
    }
    std::vector<SessionId> gone;
    for (const RetentionDecision& decision : decisions) {
        const Snapshot& snapshot = list.snapshots[decision.snapshot];
        context.emit(decision_record(snapshot, decision));
        if (!decision.keep) {
            gone.push_back(snapshot.record.id);
        }
    }
    const std::size_t kept = decisions.size() - gone.size();
    for (const Snapshot* log : logs_to_forget(all, gone)) {
        context.emit(decision_record(*log, {0, "log", {}, false}));
        gone.push_back(log->record.id);
    }
    throw_if_stopped(stop);
    if (!options.dry_run && !gone.empty()) {
        forget_sessions(repository, gone, context);
    }
    Record summary("summary");
    if (options.prune && !options.dry_run) {
        summary = run_prune(repository, *options.prune, limits, context);
    }
    Record out("summary");
    out.set("command", "forget").set("kept", static_cast<std::uint64_t>(kept));
    out.set("forgotten", static_cast<std::uint64_t>(gone.size())).set("dry_run", options.dry_run);
    for (const Record::Field& field : summary.fields()) {
        if (out.find(field.name) == nullptr) {
            out.add_field(field);
        }
    }
    if (out.find("problems") == nullptr) {
        out.set("problems", context.progress().problems.load())
            .set("verdict", context.progress().problems == 0 ? "ok" : "problems");
    }
    return out;
}

} // namespace backstay::core
