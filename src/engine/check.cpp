#include "engine/check.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/lock_upkeep.hpp"
#include "engine/log_retention.hpp"
#include "engine/marks.hpp"
#include "engine/outdated.hpp"
#include "engine/pack_check.hpp"
#include "engine/sample.hpp"
#include "engine/snapshot_access.hpp"
#include "engine/unread_objects.hpp"
#include "repo/blob_reader.hpp"
#include "repo/heartbeat.hpp"
#include "repo/session.hpp"
#include "repo/snapshot_catalog.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t hurt_paths_told = 100; ///< of each snapshot

class Check
{
public:
    Check(Repository& repository, const CheckOptions& options, const EngineLimits& limits,
          JobContext& context)
        : repository_(repository), options_(options), limits_(limits), context_(context),
          stop_(context.stop())
    {
    }

    Record run()
    {
        const ObjectCache::Bypass bypass(repository_.cache());
        say_what_is_unproven();
        // Reader 3: what is collected meanwhile stays until this has ended, and is no damage.
        const std::unique_ptr<Session> session = announce_reader(repository_, "check", stop_);
        std::optional<Heartbeat> heartbeat;
        if (session) {
            heartbeat.emplace(repository_, session->id(), stop_);
        }
        look();
        keep_locks(repository_, context_, LockUpkeep::look, stop_);
        if (options_.read_data) {
            read_packs(*options_.read_data);
        }
        while (!check_snapshots()) { // Reader 2
            look();
        }
        check_chains();
        check_logs();
        heartbeat.reset();
        if (session) {
            session->finish_reading(stop_);
        }
        return summary();
    }

private:
    struct GonePack {
        PackId id{};
        std::string what;
    };

    struct Loss {
        SessionId snapshot{};
        std::string path;
        std::string what;
    };

    void notice(const std::string& message)
    {
        context_.emit(Record("notice").set("message", message));
    }

    void say_what_is_unproven()
    {
        try {
            repository_.store().probe(stop_);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::denied && error.code() != ErrorCode::no_space) {
                throw;
            }
            // What is there can be read, and that is all a check needs.
            notice(fmt::format("nothing can be written here, so create-if-absent was not tried: {}",
                               error.what()));
            return;
        }
        const StoreDescription store = repository_.store().describe(stop_);
        if (!store.exclusive_create) {
            notice(
                "this store does not honour create-if-absent: forget and prune need --alone here" +
                (store.note.empty() ? "" : "; " + store.note));
        }
    }

    void problem(const std::string& object, const std::string& path, const std::string& message,
                 ErrorCode code = ErrorCode::damaged)
    {
        context_.progress().problems.fetch_add(1, std::memory_order_relaxed);
        Record record("problem");
        record.set("object", object);
        if (!path.empty()) {
            record.set("path", RawText{path});
        }
        record.set("code", error_code_name(code)).set("message", message);
        context_.emit(std::move(record));
    }

    /// However often we look.
    void problem_once(const std::string& object, const std::string& message)
    {
        if (told_.insert({object, message}).second) {
            problem(object, "", message);
        }
    }

    /// Reader 1: snapshots first, then gc, then the index.
    void look()
    {
        list_ = list_snapshots(repository_, stop_);
        condemned_ = read_condemned(repository_, stop_);
        std::vector<std::string> damaged;
        index_ = BlobIndex::load(repository_, condemned_, Freshness::fresh, stop_, &damaged);
        for (const UnreadableSnapshot& bad : list_.unreadable) {
            problem_once(snapshot_key(bad.id), bad.why);
        }
        for (const UnreadableNote& bad : list_.unreadable_notes) {
            problem_once(note_key(bad.id), bad.why);
        }
        for (const std::string& segment : damaged) {
            problem_once("index", segment);
        }
        check_packs_are_there();
    }

    void check_packs_are_there()
    {
        std::map<PackId, std::uint64_t> listed;
        repository_.store().list(
            "packs/", Freshness::fresh,
            [&](const ObjectInfo& object) {
                if (const auto id = parse_pack_key(object.key)) {
                    listed[*id] = object.size;
                } else if (told_.insert({object.key, ""}).second) {
                    notice("not a pack: " + object.key);
                }
            },
            stop_);
        packs_ = listed.size();
        std::vector<GonePack> gone;
        std::set<PackId> known;
        for (std::uint32_t number = 0; number < index_->packs(); ++number) {
            const IndexedPack& pack = index_->pack(number);
            known.insert(pack.id);
            const auto found = listed.find(pack.id);
            if (found == listed.end()) {
                gone.push_back({pack.id, "is missing"});
            } else if (found->second != pack.size) {
                problem_once(pack_key(pack.id), fmt::format("has {} bytes, the index says {}",
                                                            found->second, pack.size));
            }
        }
        take_gone(gone);
        extra_packs_ = extra_bytes_ = 0;
        for (const auto& [id, size] : listed) {
            if (!known.contains(id)) {
                ++extra_packs_;
                extra_bytes_ += size;
            }
        }
    }

    /// What a collection took is no damage by itself: a segment that lists it may turn up late.
    void take_gone(const std::vector<GonePack>& gone)
    {
        if (gone.empty()) {
            return;
        }
        const Condemned now = read_condemned(repository_, stop_);
        for (const GonePack& pack : gone) {
            if (lost_packs_.insert(pack.id).second && !now.packs.contains(pack.id)) {
                problem(pack_key(pack.id), "", pack.what);
            }
        }
    }

    /// False, and nothing is told: something is not there, but others have changed what we look at.
    bool check_snapshots()
    {
        Marks marks(index_->size());
        BlobReader reader(repository_, index_, limits_.memory / 8);
        std::map<SessionId, std::uint64_t> counts;
        std::vector<Loss> losses;
        MarkFindings findings;
        findings.missing = [&](const Snapshot& snapshot, const std::string& path, const BlobId& id,
                               BlobKind kind, const std::string& why) {
            if (++counts[snapshot.record.id] <= hurt_paths_told) {
                const char* what = kind == BlobKind::tree_node   ? "a page of this folder"
                                   : kind == BlobKind::list_node ? "a part of its list of chunks"
                                                                 : "a chunk of its contents";
                losses.push_back({snapshot.record.id, path,
                                  fmt::format("{} is lost (blob {}: {})", what, id.hex(), why)});
            }
        };
        if (!lost_packs_.empty() || !lost_frames_.empty()) {
            findings.usable = [this](const BlobPlace& place) { return is_usable(place); };
        }
        mark_snapshots(reader, list_.snapshots, marks, findings, limits_, context_);
        if (!losses.empty() && is_outdated(repository_, *index_, condemned_, list_, stop_)) {
            return false;
        }
        for (const Loss& loss : losses) {
            problem(snapshot_key(loss.snapshot), loss.path, loss.what);
        }
        for (const auto& [snapshot, count] : counts) {
            context_.progress().problems.fetch_add(count - std::min(count, hurt_paths_told),
                                                   std::memory_order_relaxed);
        }
        blobs_ = index_->size();
        unused_blobs_ = blobs_ - marks.count();
        return true;
    }

    /// Each snapshot tells what the one before it in its series was: whoever replaces or removes
    /// one behind our back is found by those that came after.
    void check_chains()
    {
        std::map<SessionId, const Digest*> digests; // null: cannot be read, which is told already
        for (const UnreadableSnapshot& bad : list_.unreadable) {
            digests[bad.id] = nullptr;
        }
        for (const Snapshot& snapshot : list_.snapshots) {
            digests[snapshot.record.id] = &snapshot.digest;
        }
        for (const Snapshot& snapshot : list_.snapshots) {
            const SessionId& before = snapshot.record.predecessor;
            if (before == SessionId{} || condemned_.sessions.contains(before)) {
                continue; // the first, or forgotten
            }
            const auto found = digests.find(before);
            if (found == digests.end()) {
                problem(
                    snapshot_key(snapshot.record.id), "",
                    fmt::format("its predecessor {} has gone, and nobody forgot it", before.hex()));
            } else if (found->second != nullptr &&
                       *found->second != snapshot.record.predecessor_digest) {
                problem(snapshot_key(snapshot.record.id), "",
                        fmt::format("its predecessor {} is not the one that it was made after",
                                    before.hex()));
            }
        }
    }

    /// What lies where nothing can be read, so that the snapshots that need it are told.
    bool is_usable(const BlobPlace& place) const
    {
        const PackId& id = index_->pack(place.pack).id;
        return lost_packs_.find(id) == lost_packs_.end() &&
               lost_frames_.find({id, place.frame}) == lost_frames_.end();
    }

    /// A hole in a server's log is no damage of the repository, but ends what can be recovered.
    void check_logs()
    {
        for (const LogGap& gap : log_gaps(list_)) {
            const std::string what = fmt::format("the log of system {} has a gap from {} to {}",
                                                 gap.system_id, gap.first, gap.last);
            if (gap.ends_recovery) {
                problem("log", "", what + ": no recovery gets over it; make a new physical backup");
            } else {
                notice(what + ": a later backup gets over it, earlier ones do not");
            }
        }
    }

    void take_damage(const PackChecker::Damage& damage)
    {
        if (damage.scope == PackChecker::Damage::Scope::gone) {
            const std::lock_guard lock(mutex_);
            gone_.push_back({damage.pack, damage.what});
            return;
        }
        problem(pack_key(damage.pack), "", damage.what);
        const std::lock_guard lock(mutex_);
        if (damage.scope == PackChecker::Damage::Scope::pack) {
            lost_packs_.insert(damage.pack);
        } else if (damage.scope == PackChecker::Damage::Scope::frame) {
            lost_frames_.insert({damage.pack, damage.frame});
        }
    }

    void read_packs(double percent)
    {
        std::vector<std::size_t> chosen =
            sample(index_->packs(), percent,
                   static_cast<std::uint64_t>(repository_.clock().now().seconds));
        std::erase_if(chosen, [this](std::size_t number) { // told already
            return lost_packs_.find(index_->pack(static_cast<std::uint32_t>(number)).id) !=
                   lost_packs_.end();
        });
        std::uint64_t total = 0;
        for (const std::size_t number : chosen) {
            total += index_->pack(static_cast<std::uint32_t>(number)).size;
        }
        context_.progress().bytes_total = total;
        const unsigned readers = limits_.readers(repository_.store(), stop_);
        std::atomic<std::size_t> next{0};
        WorkerGroup group(stop_);
        for (unsigned i = 0; i < readers; ++i) {
            group.start("check", [&](const std::stop_token& stopped) {
                PackChecker checker(
                    repository_, *index_,
                    [this](const PackChecker::Damage& damage) { take_damage(damage); });
                for (std::size_t at = next++; at < chosen.size(); at = next++) {
                    throw_if_stopped(stopped);
                    const auto pack = static_cast<std::uint32_t>(chosen[at]);
                    unread_.pass_over(pack_key(index_->pack(pack).id), [&] {
                        const std::uint64_t bytes = checker.check(pack, stopped);
                        context_.progress().bytes += bytes;
                        bytes_checked_ += bytes;
                    });
                }
            });
        }
        group.join();
        throw_if_stopped(stop_);
        take_gone(gone_);
    }

    Record summary() const
    {
        const std::uint64_t problems = context_.progress_record().number("problems");
        Record record("summary");
        record.set("command", "check")
            .set("snapshots", static_cast<std::uint64_t>(list_.snapshots.size()));
        record.set("packs", packs_).set("blobs", blobs_).set("blobs_unused", unused_blobs_);
        record.set("packs_unindexed", extra_packs_).set("bytes_unindexed", extra_bytes_);
        record.set("packs_unread", unread_.count());
        record.set("bytes_checked", bytes_checked_.load()).set("problems", problems);
        record.set("verdict", verdict_of(problems, unread_.count()));
        record.set("seconds", Seconds{static_cast<std::int64_t>(context_.seconds()), 0});
        return record;
    }

    Repository& repository_;
    const CheckOptions& options_;
    const EngineLimits& limits_;
    JobContext& context_;
    std::stop_token stop_;
    SnapshotList list_;
    Condemned condemned_;
    std::shared_ptr<BlobIndex> index_;
    std::set<std::pair<std::string, std::string>> told_; ///< objects, with what was said
    std::uint64_t packs_ = 0, blobs_ = 0, unused_blobs_ = 0, extra_packs_ = 0, extra_bytes_ = 0;
    std::atomic<std::uint64_t> bytes_checked_{0};
    UnreadObjects unread_{[this](const std::string& key, ErrorCode code,
                                 const std::string& message) { problem(key, "", message, code); }};
    std::mutex mutex_; // guards all below while packs are read
    std::vector<GonePack> gone_;
    std::set<PackId> lost_packs_;
    std::set<std::pair<PackId, std::uint32_t>> lost_frames_;
};

} // namespace

Record run_check(Repository& repository, const CheckOptions& options, const EngineLimits& limits,
                 JobContext& context)
{
    return Check(repository, options, limits, context).run();
}

} // namespace backstay::core
