#include "engine/pack_choice.hpp"

#include "base/error.hpp"
#include "engine/outdated.hpp"
#include "engine/pack_readiness.hpp"
#include "repo/blob_reader.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <utility>
#include <vector>

namespace backstay::core
{

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

void demand_readable(const SnapshotList& list)
{
    if (!list.unreadable.empty()) {
        throw Error(ErrorCode::damaged,
                    fmt::format("snapshot {} cannot be read ({}), so nobody can say what it needs: "
                                "forget it by id, or repair it, before anything is removed",
                                list.unreadable.front().id.hex(), list.unreadable.front().why),
                    snapshot_key(list.unreadable.front().id));
    }
}

MarkFindings demand_all()
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

PackChoice::PackChoice(Repository& repository, const PruneOptions& options,
                       const EngineLimits& limits, JobContext& context,
                       std::function<bool()> nobody_writes)
    : repository_(repository), options_(options), limits_(limits), context_(context),
      stop_(context.stop()), nobody_writes_(std::move(nobody_writes))
{
}

PrunePlan PackChoice::choose()
{
    for (Freshness freshness = Freshness::cached;; freshness = Freshness::fresh) {
        // Snapshots first: an index that is read later knows all that they need.
        const SnapshotList list = list_snapshots(repository_, stop_);
        demand_readable(list);
        listed_ = list_packs(repository_, stop_);
        const Condemned before = read_condemned(repository_, stop_);
        const std::shared_ptr<BlobIndex> index = load_index(before, freshness);
        try {
            return choose(list, index, before);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::damaged ||
                !is_outdated(repository_, *index, before, list, stop_)) {
                throw;
            }
        }
    }
}

std::shared_ptr<BlobIndex> PackChoice::load_index(const Condemned& before, Freshness freshness)
{
    std::vector<std::string> damaged;
    std::shared_ptr<BlobIndex> index =
        BlobIndex::load(repository_, before, freshness, stop_, &damaged);
    if (!damaged.empty()) {
        throw Error(ErrorCode::damaged, damaged.front() +
                                            "; so nobody can say what is needed: nothing was "
                                            "removed; run check to see all that is hurt");
    }
    return index;
}

PrunePlan PackChoice::choose(const SnapshotList& list, const std::shared_ptr<BlobIndex>& index,
                             const Condemned& before)
{
    BlobReader reader(repository_, index, limits_.memory / 8);
    Marks marks(index->size());
    MarkFindings findings = demand_all();
    const std::set<PackId> unusable = unusable_packs(*index);
    if (!unusable.empty()) {
        findings.usable = [&](const BlobPlace& place) {
            return !unusable.contains(index->pack(place.pack).id);
        };
    }
    mark_snapshots(reader, list.snapshots, marks, findings, limits_, context_);
    PrunePlan plan = plan_with_readable(measure_packs(*index, marks));
    choose_unindexed(plan, *index, before);
    left_by_others_ = static_cast<std::uint64_t>(
        std::count_if(before.packs.begin(), before.packs.end(),
                      [this](const PackId& pack) { return listed_.contains(pack); }));
    return plan;
}

/// A pack that lies in an archive stays as it is: what is used of it cannot be copied, and to
/// condemn it all the same would end this collection and all after it.
PrunePlan PackChoice::plan_with_readable(std::vector<PackUse> packs)
{
    PrunePlan plan;
    std::uint64_t archived = 0;
    for (bool found = true; found;) { // which makes others be chosen instead
        plan = plan_prune(packs, options_);
        const std::set<PackId> out_of_reach = archived_of(plan.repack);
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
    return plan;
}

std::set<PackId> PackChoice::archived_of(const std::vector<PackUse>& packs)
{
    std::vector<PackId> ids;
    ids.reserve(packs.size());
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

/// Empty if it is not there.
std::optional<std::uint64_t> PackChoice::stored_size(const PackId& pack)
{
    const auto listed = listed_.find(pack);
    if (listed != listed_.end()) {
        return listed->second;
    }
    // One that was stored after the list was made is asked for by its name.
    const auto info = repository_.store().stat(pack_key(pack), stop_);
    return info ? std::optional(info->size) : std::nullopt;
}

/// Of those that the index names: missing, or something else in its place.
std::set<PackId> PackChoice::unusable_packs(const BlobIndex& index)
{
    std::set<PackId> unusable;
    for (std::uint32_t number = 0; number < index.packs(); ++number) {
        const IndexedPack& pack = index.pack(number);
        if (!pack.condemned && stored_size(pack.id) != pack.size) {
            unusable.insert(pack.id);
        }
    }
    return unusable;
}

/// Packs that no segment lists are a dead writer's, or a living one's: those stay.
void PackChoice::choose_unindexed(PrunePlan& plan, const BlobIndex& index, const Condemned& before)
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
    if (unindexed.empty() || !nobody_writes_()) {
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
            plan.unindexed.push_back(id);
            plan.unindexed_bytes += size;
        }
    }
}

} // namespace backstay::core
