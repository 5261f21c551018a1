#pragma once

#include "engine/job_context.hpp"
#include "engine/marks.hpp"
#include "engine/prune_plan.hpp"
#include "repo/condemned.hpp"
#include "repo/snapshot_catalog.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace backstay::core
{

/// Every pack that lies in the store, with its size.
std::map<PackId, std::uint64_t> list_packs(Repository& repository, const std::stop_token& stop);

/// Throws Error{damaged} where a snapshot cannot be read: nobody can say then what is needed.
void demand_readable(const SnapshotList& list);
/// For marking where every blob must be there: throws Error{damaged} at the first that is not.
MarkFindings demand_all();

/// Chooses what a collection removes and repacks. Thrift, not safety: any choice would be safe. But
/// where something that is needed is lost already, it throws, so that nothing is removed.
class PackChoice
{
public:
    /// `nobody_writes`: no session lives. All references must outlive it.
    PackChoice(Repository& repository, const PruneOptions& options, const EngineLimits& limits,
               JobContext& context, std::function<bool()> nobody_writes);

    /// Throws Error{damaged…}.
    PrunePlan choose();

    /// Packs condemned by earlier collections that still lie there, after choose().
    std::uint64_t left_by_others() const { return left_by_others_; }
    std::uint64_t size_of(const PackId& pack) const { return listed_.at(pack); }

private:
    std::shared_ptr<BlobIndex> load_index(const Condemned& before, Freshness freshness);
    PrunePlan choose(const SnapshotList& list, const std::shared_ptr<BlobIndex>& index,
                     const Condemned& before);
    PrunePlan plan_with_readable(std::vector<PackUse> packs);
    std::set<PackId> archived_of(const std::vector<PackUse>& packs);
    std::optional<std::uint64_t> stored_size(const PackId& pack);
    std::set<PackId> unusable_packs(const BlobIndex& index);
    void choose_unindexed(PrunePlan& plan, const BlobIndex& index, const Condemned& before);

    Repository& repository_;
    const PruneOptions& options_;
    const EngineLimits& limits_;
    JobContext& context_;
    const std::stop_token stop_;
    const std::function<bool()> nobody_writes_;
    std::map<PackId, std::uint64_t> listed_;
    std::uint64_t left_by_others_ = 0;
};

} // namespace backstay::core
