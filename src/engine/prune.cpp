#include "engine/prune.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/worker_group.hpp"
#include "engine/copy_forward.hpp"
#include "engine/lock_upkeep.hpp"
#include "engine/marks.hpp"
#include "engine/pack_readiness.hpp"
#include "engine/prune_plan.hpp"
#include "engine/store_rights.hpp"
#include "repo/blob_reader.hpp"
#include "repo/session.hpp"
#include "repo/snapshot_catalog.hpp"

#include <algorithm>
#include <condition_variable>
#include <fmt/format.h>
#include <map>
#include <set>

namespace backstay::core
{

namespace
{

constexpr std::size_t most_entries_a_segment = 500'000;
constexpr double seconds_between_looks = 1;

/// Every pack that lies in the store.
std::map<PackId, std::uint64_t> list_packs(Repository& repository, const std::stop_token& stop)
{
    std::map<PackId, std::uint64_t> packs;
    repository.store().list(
        "packs/", Freshness::cached,
        [&packs](const ObjectInfo& object) {
            if (const auto id = parse_pack_key(object.key)) {
                packs[*id] = object.size;
            }
        },
        stop);
    return packs;
}

void wait_a_moment(const std::stop_token& stop)
{
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, std::chrono::duration<double>(seconds_between_looks),
                   [] { return false; });
    throw_if_stopped(stop);
}

/// A collection, in the order of protocol.md, "Collector". The numbers are its steps.
class Collection
{
public:
    Collection(Repository& repository, const PruneOptions& options, const EngineLimits& limits,
               JobContext& context)
        : repository_(repository), options_(options), limits_(limits), context_(context),
          stop_(context.stop())
    {
    }

    Record run()
    {
        demand_right_to_collect(repository_, options_.alone, "prune", stop_);
        choose();
        tell();
        if (options_.dry_run) {
            return summary();
        }
        if (plan_.empty() && left_by_others_ == 0) {
            tidy_sessions();
            keep_locks(repository_, context_, LockUpkeep::renew, stop_);
            return summary();
        }
        condemn_chosen();                                // 1
        condemned_ = read_condemned(repository_, stop_); // 2
        if (!wait_for_sessions()) {                      // 3
            return summary();
        }
        while (!mark_and_copy()) { // 4
        }
        publish();        // 6
        remove_objects(); // 7, 8
        keep_locks(repository_, context_, LockUpkeep::renew, stop_);
        return summary();
    }

private:
    /// Thrift, not safety: any choice would be safe.
    void choose()
    {
        listed_ = list_packs(repository_, stop_);
        const Condemned before = read_condemned(repository_, stop_);
        std::vector<std::string> damaged;
        const std::shared_ptr<BlobIndex> index =
            BlobIndex::load(repository_, before, Freshness::cached, stop_, &damaged);
        if (!damaged.empty()) {
            throw Error(ErrorCode::damaged, damaged.front() +
                                                "; so nobody can say what is needed: nothing was "
                                                "removed; run check to see all that is hurt");
        }
        const SnapshotList list = list_snapshots(repository_, stop_);
        demand_readable(list);
        BlobReader reader(repository_, index, limits_.memory / 8);
        Marks marks(index->size());
        MarkFindings findings = demand_all();
        const std::set<PackId> missing = missing_packs(*index);
        if (!missing.empty()) {
            findings.usable = [&](const BlobPlace& place) {
                return !missing.contains(index->pack(place.pack).id);
            };
        }
        mark_snapshots(reader, list.snapshots, marks, findings, limits_, context_);
        plan_with_readable(measure_packs(*index, marks));
        choose_unindexed(*index, before);
        for (const PackId& pack : before.packs) {
            left_by_others_ += listed_.find(pack) != listed_.end() ? 1 : 0;
        }
    }

    /// A pack that lies in an archive stays as it is: what is used of it cannot be copied, and to
    /// condemn it all the same would end this collection and all after it.
    void plan_with_readable(std::vector<PackUse> packs)
    {
        std::uint64_t archived = 0;
        for (bool found = true; found;) { // which makes others be chosen instead
            plan_ = plan_prune(packs, options_);
            const std::set<PackId> out_of_reach = archived_of(plan_.repack);
            found = !out_of_reach.empty();
            archived += out_of_reach.size();
            for (PackUse& pack : packs) {
                pack.archived = pack.archived || out_of_reach.contains(pack.id);
            }
        }
        if (archived > 0) {
            context_.emit(Record("notice").set(
                "message", fmt::format("partly unused packs that stay as they are, for they lie in "
                                       "an archive and cannot be read there: {}",
                                       archived)));
        }
    }

    std::set<PackId> archived_of(const std::vector<PackUse>& packs)
    {
        std::vector<PackId> ids;
        for (const PackUse& pack : packs) {
            ids.push_back(pack.id);
        }
        const std::vector<Readiness> states = look_at_packs(repository_, ids, limits_, stop_);
        std::set<PackId> archived;
        for (std::size_t at = 0; at < ids.size(); ++at) {
            if (states[at] != Readiness::ready) {
                archived.insert(ids[at]);
            }
        }
        return archived;
    }

    static void demand_readable(const SnapshotList& list)
    {
        if (!list.unreadable.empty()) {
            throw Error(
                ErrorCode::damaged,
                fmt::format("snapshot {} cannot be read ({}), so nobody can say what it needs: "
                            "forget it by id, or repair it, before anything is removed",
                            list.unreadable.front().id.hex(), list.unreadable.front().why),
                snapshot_key(list.unreadable.front().id));
        }
    }

    /// Of those that the index names.
    std::set<PackId> missing_packs(const BlobIndex& index)
    {
        std::set<PackId> missing;
        for (std::uint32_t number = 0; number < index.packs(); ++number) {
            const IndexedPack& pack = index.pack(number);
            // One that was stored after the list was made is asked for by its name.
            if (!pack.condemned && !listed_.contains(pack.id) &&
                !repository_.store().stat(pack_key(pack.id), stop_)) {
                missing.insert(pack.id);
            }
        }
        return missing;
    }

    static MarkFindings demand_all()
    {
        MarkFindings findings;
        findings.missing = [](const Snapshot& snapshot, const std::string& path, const BlobId& id,
                              BlobKind, const std::string& why) {
            throw Error(ErrorCode::damaged,
                        fmt::format("blob {} of snapshot {} is missing or damaged ({}): nothing "
                                    "was removed; run check to see all that is hurt",
                                    id.hex(), snapshot.record.id.hex().substr(0, 12), why),
                        path);
        };
        return findings;
    }

    /// Packs that no segment lists are a dead writer's, or a living one's: those stay.
    void choose_unindexed(const BlobIndex& index, const Condemned& before)
    {
        std::set<PackId> indexed;
        for (std::uint32_t number = 0; number < index.packs(); ++number) {
            indexed.insert(index.pack(number).id);
        }
        std::vector<std::pair<PackId, std::uint64_t>> unindexed;
        for (const auto& [id, size] : listed_) {
            if (indexed.find(id) == indexed.end() && before.packs.find(id) == before.packs.end()) {
                unindexed.emplace_back(id, size);
            }
        }
        if (unindexed.empty() || !living_sessions().empty()) {
            return;
        }
        // A session may have ended by now whose segments came after our look at the index: look
        // again.
        const auto again = BlobIndex::load(repository_, before, Freshness::fresh, stop_);
        indexed.clear();
        for (std::uint32_t number = 0; number < again->packs(); ++number) {
            indexed.insert(again->pack(number).id);
        }
        for (const auto& [id, size] : unindexed) {
            if (indexed.find(id) == indexed.end()) {
                plan_.unindexed.push_back(id);
                plan_.unindexed_bytes += size;
            }
        }
    }

    bool has_ended(const SessionId& id)
    {
        return repository_.store().stat(snapshot_key(id), stop_).has_value() ||
               condemned_.sessions.find(id) != condemned_.sessions.end();
    }

    std::vector<ListedSession> living_sessions()
    {
        std::vector<ListedSession> living;
        for (ListedSession& session : list_sessions(repository_, stop_)) {
            if (!has_ended(session.id) && !(session.record && process_has_gone(*session.record))) {
                living.push_back(std::move(session));
            }
        }
        return living;
    }

    void tell()
    {
        const auto step = [this](const char* action, const PackId& id, std::uint64_t bytes,
                                 std::uint64_t unused) {
            Record record("step");
            record.set("action", action)
                .set("object", pack_key(id))
                .set("bytes", bytes)
                .set("bytes_unused", unused);
            context_.emit(std::move(record));
        };
        for (const PackUse& pack : plan_.remove) {
            step("remove", pack.id, pack.size, pack.size);
        }
        for (const PackId& id : plan_.unindexed) {
            step("remove", id, listed_[id], listed_[id]);
        }
        for (const PackUse& pack : plan_.repack) {
            step("repack", pack.id, pack.size, pack.unused());
        }
    }

    void condemn_chosen()
    {
        std::vector<PackId> chosen = plan_.unindexed;
        for (const auto* packs : {&plan_.remove, &plan_.repack}) {
            for (const PackUse& pack : *packs) {
                chosen.push_back(pack.id);
            }
        }
        if (!chosen.empty()) {
            condemn(repository_, chosen, {}, stop_);
        }
    }

    /// Of those that have ended, or whose process has gone.
    void tidy_sessions()
    {
        condemned_ = read_condemned(repository_, stop_);
        for (const ListedSession& session : list_sessions(repository_, stop_)) {
            end_session(session);
        }
    }

    /// False: some live on, and we were not told to wait; a later collection finishes what is
    /// condemned.
    bool wait_for_sessions()
    {
        std::vector<ListedSession> sessions = list_sessions(repository_, stop_);
        while (true) {
            std::erase_if(sessions,
                          [this](const ListedSession& session) { return end_session(session); });
            if (sessions.empty()) {
                return true;
            }
            if (!options_.wait) {
                waiting_for_ = sessions.size();
                return false;
            }
            wait_a_moment(stop_);
            refresh_signs(sessions);
        }
    }

    void refresh_signs(std::vector<ListedSession>& sessions)
    {
        condemned_ = with_sessions_of(read_condemned(repository_, stop_));
        for (const ListedSession& now : list_sessions(repository_, stop_)) {
            for (ListedSession& session : sessions) {
                if (session.id == now.id) {
                    session.last_sign = now.last_sign;
                }
            }
        }
        // One whose object has gone has ended: it is removed only after the end, or by a reader.
        std::erase_if(sessions, [this](const ListedSession& session) {
            return !repository_.store().stat(session_key(session.id), stop_);
        });
    }

    /// The set of packs stays as step 2 read it; sessions may become spent.
    Condemned with_sessions_of(Condemned later) const
    {
        Condemned merged = condemned_;
        merged.sessions = std::move(later.sessions);
        return merged;
    }

    bool end_session(const ListedSession& session)
    {
        if (!has_ended(session.id)) {
            const double silent =
                static_cast<double>(repository_.clock().now().seconds - session.last_sign.seconds);
            const bool gone = session.record && process_has_gone(*session.record);
            if (!gone && silent < options_.fence_after) {
                return false;
            }
            fence_session(repository_, session.id,
                          gone ? "its process has gone" : "no sign of life", stop_);
        }
        remove_quietly({session_key(session.id)});
        return true;
    }

    /// True once everything used lies outside the condemned packs. False: the index changed under
    /// us, once more.
    bool mark_and_copy()
    {
        const SnapshotList list = list_snapshots(repository_, stop_);
        demand_readable(list);
        const auto index = std::shared_ptr<BlobIndex>(
            BlobIndex::load(repository_, condemned_, Freshness::fresh, stop_));
        BlobReader reader(repository_, index, limits_.memory / 8);
        try {
            Marks marks(index->size());
            mark_snapshots(reader, list.snapshots, marks, demand_all(), limits_, context_);
            copies_ =
                copy_forward(reader, find_stranded(*index, marks), options_.compression, context_);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::damaged || !has_changed(*index, list)) {
                throw;
            }
            return false;
        }
        segments_ = index->segments();
        return true;
    }

    /// Damage is claimed only if neither the list of segments nor the snapshots have changed since
    /// they were read.
    bool has_changed(const BlobIndex& index, const SnapshotList& list)
    {
        const auto now = BlobIndex::load(repository_, condemned_, Freshness::fresh, stop_);
        if (now->segments() != index.segments()) {
            return true;
        }
        return std::any_of(list.snapshots.begin(), list.snapshots.end(),
                           [this](const Snapshot& snapshot) {
                               return !snapshot_counts(repository_, snapshot.record.id, stop_);
                           });
    }

    bool is_condemned(const PackId& id) const
    {
        return condemned_.packs.find(id) != condemned_.packs.end();
    }

    /// The copies, and what the segments that list condemned packs say of others.
    void publish()
    {
        writer_ = random_id<SessionId>();
        for (const SegmentId& id : segments_) {
            Segment segment = read_segment(repository_, id, stop_);
            const bool stays =
                std::none_of(segment.footer.packs.begin(), segment.footer.packs.end(),
                             [this](const SegmentPack& pack) { return is_condemned(pack.id); });
            const bool empty =
                segment.footer.packs.empty(); // a sign of life of a session that has ended by now
            if (stays && !empty) {
                continue;
            }
            keep_living(segment);
            replaced_.push_back(id);
            if (pending_.entries.size() >= most_entries_a_segment) {
                write_pending();
            }
        }
        add_to_pending(std::move(copies_));
        write_pending();
    }

    void keep_living(const Segment& segment)
    {
        PackRewriter::Stored kept;
        kept.key_records = segment.footer.key_records;
        std::vector<std::uint32_t> numbers(segment.footer.packs.size(), UINT32_MAX);
        for (std::size_t i = 0; i < segment.footer.packs.size(); ++i) {
            if (!is_condemned(segment.footer.packs[i].id)) {
                numbers[i] = static_cast<std::uint32_t>(kept.packs.size());
                kept.packs.push_back(segment.footer.packs[i]);
            }
        }
        for (SegmentEntry entry : segment.entries) {
            if (numbers[entry.pack] != UINT32_MAX) {
                entry.pack = numbers[entry.pack];
                kept.entries.push_back(entry);
            }
        }
        add_to_pending(std::move(kept));
    }

    void add_to_pending(PackRewriter::Stored more)
    {
        bytes_repacked_ += more.bytes;
        const auto packs = static_cast<std::uint32_t>(pending_.packs.size());
        const auto records = static_cast<std::uint32_t>(pending_.key_records.size());
        for (SegmentPack& pack : more.packs) {
            for (SegmentFrame& frame : pack.frames) {
                frame.key_record += records;
            }
            pending_.packs.push_back(std::move(pack));
        }
        for (SegmentEntry& entry : more.entries) {
            entry.pack += packs;
            pending_.entries.push_back(entry);
        }
        pending_.key_records.insert(pending_.key_records.end(), more.key_records.begin(),
                                    more.key_records.end());
    }

    void write_pending()
    {
        if (pending_.packs.empty()) {
            return;
        }
        written_.push_back(write_segment(repository_, writer_, std::move(pending_.key_records),
                                         std::move(pending_.packs), std::move(pending_.entries),
                                         std::nullopt, stop_));
        pending_ = {};
    }

    void remove_objects()
    {
        std::vector<std::string> segments;
        for (const SegmentId& id : replaced_) {
            const bool same_name =
                std::find(written_.begin(), written_.end(), id) != written_.end();
            if (!same_name) {
                segments.push_back(segment_key(id));
            }
        }
        remove_quietly(segments);
        std::map<std::string, std::uint64_t> packs;
        std::vector<std::string> keys;
        for (const auto& [id, size] : list_packs(repository_, stop_)) {
            if (is_condemned(id)) {
                keys.push_back(pack_key(id));
                packs.emplace(keys.back(), size);
            }
        }
        for (const std::string& refused : remove_quietly(keys)) {
            packs.erase(refused);
        }
        for (const auto& [key, size] : packs) {
            ++packs_removed_;
            bytes_freed_ += size;
        }
    }

    /// A refused removal (Object Lock, permissions) is left for a later collection. Returns those.
    std::vector<std::string> remove_quietly(const std::vector<std::string>& keys)
    {
        std::vector<std::string> left;
        for (const RefusedRemoval& refused : repository_.store().remove_all(keys, stop_)) {
            context_.problem({"", refused.key, static_cast<std::int32_t>(ErrorCode::denied),
                              fmt::format("could not be removed ({}): a later prune tries again",
                                          refused.reason)});
            left.push_back(refused.key);
        }
        return left;
    }

    Record summary() const
    {
        const std::uint64_t problems = context_.progress_record().number("problems");
        std::uint64_t planned = plan_.unindexed_bytes;
        for (const PackUse& pack : plan_.remove) {
            planned += pack.size;
        }
        std::uint64_t repack_unused = 0;
        for (const PackUse& pack : plan_.repack) {
            repack_unused += pack.unused();
        }
        const auto repacked = static_cast<std::uint64_t>(plan_.repack.size());
        Record record("summary");
        record.set("command", "prune").set("dry_run", options_.dry_run);
        record.set("packs_removed",
                   options_.dry_run ? plan_.remove.size() + plan_.unindexed.size()
                                    : packs_removed_ - std::min(packs_removed_,
                                                                waiting_for_ == 0 ? repacked : 0));
        record.set("packs_repacked", options_.dry_run || waiting_for_ == 0 ? repacked : 0);
        record.set("bytes_freed", options_.dry_run
                                      ? planned + repack_unused
                                      : bytes_freed_ - std::min(bytes_freed_, bytes_repacked_));
        record.set("bytes_repacked", bytes_repacked_).set("bytes_unused_left", plan_.unused_left);
        record.set("waiting_for", static_cast<std::uint64_t>(waiting_for_));
        record.set("problems", problems).set("verdict", problems == 0 ? "ok" : "problems");
        const double seconds = context_.seconds();
        record.set("seconds", Seconds{static_cast<std::int64_t>(seconds), 0});
        return record;
    }

    Repository& repository_;
    const PruneOptions& options_;
    const EngineLimits& limits_;
    JobContext& context_;
    std::stop_token stop_;
    std::map<PackId, std::uint64_t> listed_;
    PrunePlan plan_;
    std::uint64_t left_by_others_ = 0;
    Condemned condemned_; ///< the set A of the protocol, fixed in step 2
    std::size_t waiting_for_ = 0;
    PackRewriter::Stored copies_;
    std::vector<SegmentId> segments_;
    SessionId writer_{};
    PackRewriter::Stored pending_;
    std::vector<SegmentId> replaced_;
    std::vector<SegmentId> written_;
    std::uint64_t packs_removed_ = 0;
    std::uint64_t bytes_freed_ = 0;
    std::uint64_t bytes_repacked_ = 0;
};

} // namespace

Record run_prune(Repository& repository, const PruneOptions& options, const EngineLimits& limits,
                 JobContext& context)
{
    return Collection(repository, options, limits, context).run();
}

} // namespace backstay::core
