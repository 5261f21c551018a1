#include "engine/prune.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/copy_forward.hpp"
#include "engine/lock_upkeep.hpp"
#include "engine/marks.hpp"
#include "engine/outdated.hpp"
#include "engine/pack_choice.hpp"
#include "engine/segment_compaction.hpp"
#include "engine/segment_rewrite.hpp"
#include "engine/store_rights.hpp"
#include "repo/blob_reader.hpp"
#include "repo/session.hpp"
#include "repo/snapshot_catalog.hpp"

#include <algorithm>
#include <condition_variable>
#include <fmt/core.h>
#include <map>
#include <set>

namespace backstay::core
{

namespace
{

constexpr double seconds_between_looks = 1;

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
          stop_(context.stop()), choice_(repository, options, limits, context,
                                         [this] { return living_sessions().empty(); })
    {
    }

    Record run()
    {
        demand_right_to_collect(repository_, options_.alone, "prune", stop_);
        plan_ = choice_.choose();
        tell();
        if (options_.dry_run) {
            return summary();
        }
        if (plan_.empty() && choice_.left_by_others() == 0) {
            tidy_sessions();
        } else {
            collect();
        }
        join_segments();
        keep_locks(repository_, context_, LockUpkeep::renew, stop_);
        return summary();
    }

private:
    void collect()
    {
        condemn_chosen();                                // 1
        condemned_ = read_condemned(repository_, stop_); // 2
        if (!wait_for_sessions()) {                      // 3
            return;
        }
        while (!mark_and_copy()) { // 4
        }
        remove_objects(publish()); // 6, 7, 8
    }

    void join_segments()
    {
        const std::vector<SegmentId> joined = compact_segments(repository_, stop_);
        remove_segments(joined);
        segments_joined_ = joined.size();
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
            step("remove", id, choice_.size_of(id), choice_.size_of(id));
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
            copies_ = copy_forward(reader, find_stranded(*index, marks), options_.compression,
                                   limits_, stop_);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::damaged ||
                !is_outdated(repository_, *index, condemned_, list, stop_)) {
                throw;
            }
            return false;
        }
        segments_ = index->segments();
        return true;
    }

    bool is_condemned(const PackId& id) const
    {
        return condemned_.packs.find(id) != condemned_.packs.end();
    }

    /// The copies, and what the segments that list condemned packs say of others. Returns those
    /// that are needed no more.
    std::vector<SegmentId> publish()
    {
        SegmentRewrite rewrite(repository_, condemned_, stop_);
        for (const SegmentId& id : segments_) {
            rewrite.add(id);
        }
        bytes_repacked_ = copies_.bytes;
        rewrite.finish(std::move(copies_));
        return rewrite.replaced();
    }

    void remove_segments(const std::vector<SegmentId>& segments)
    {
        std::vector<std::string> keys;
        keys.reserve(segments.size());
        for (const SegmentId& id : segments) {
            keys.push_back(segment_key(id));
        }
        remove_quietly(keys);
    }

    void remove_objects(const std::vector<SegmentId>& replaced)
    {
        remove_segments(replaced);
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
        record.set("segments_joined", static_cast<std::uint64_t>(segments_joined_));
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
    PackChoice choice_;
    PrunePlan plan_;
    Condemned condemned_; ///< the set A of the protocol, fixed in step 2
    std::size_t waiting_for_ = 0;
    PackRewriter::Stored copies_;
    std::vector<SegmentId> segments_;
    std::uint64_t packs_removed_ = 0;
    std::uint64_t bytes_freed_ = 0;
    std::uint64_t bytes_repacked_ = 0;
    std::size_t segments_joined_ = 0;
};

} // namespace

Record run_prune(Repository& repository, const PruneOptions& options, const EngineLimits& limits,
                 JobContext& context)
{
    return Collection(repository, options, limits, context).run();
}

} // namespace backstay::core
