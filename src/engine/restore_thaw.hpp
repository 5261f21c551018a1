#pragma once

#include "engine/job_context.hpp"
#include "engine/restore.hpp"
#include "engine/restore_walk.hpp"
#include "engine/snapshot_access.hpp"
#include "store/retrying_store.hpp"

#include <cstdint>
#include <vector>

namespace backstay::core
{

/// Before a restore reads anything: has the store's archive give out the packs that it needs, where
/// the options ask for it, and waits for them or ends. First those of metadata (all of them, for
/// which ones are needed is written in them), then those with the data.
///
/// Emits a "thaw" record for each of the two, and whenever it has changed: contents ("metadata",
/// "data"), packs, bytes, packs_archived, bytes_archived, packs_thawing, bytes_thawing. A dry run
/// looks and asks for nothing. One thread at a time.
class RestoreThaw
{
public:
    /// All references must outlive it.
    RestoreThaw(Repository& repository, SnapshotAccess& access, const RestoreOptions& options,
                const EngineLimits& limits, JobContext& context, Waiting waiting = real_waiting());

    /// Both return when all of it can be read. Throw Error{unavailable} where that takes its time
    /// and nobody wants to wait, or not for so long.
    void bring_metadata();
    void bring_data(const std::vector<RestorePart>& parts);

private:
    using Packs = std::vector<std::uint32_t>; ///< numbers of the index
    enum class Contents { metadata, data };
    struct Found;

    static const char* name_of(Contents contents);
    bool is_wanted();
    Packs packs_of_metadata() const;
    Packs packs_of_data(const std::vector<RestorePart>& parts);
    void bring(const Packs& packs, Contents contents);
    Found look(const Packs& packs);
    Packs ask(const Packs& packs, std::size_t enough);
    Packs ask_again(const Packs& packs, int& failures);
    void wait_for(Packs packs, const Packs& all, Contents contents);
    [[noreturn]] void throw_never_came(const Packs& packs, Contents contents) const;
    void tell(Contents contents, const Packs& all, const Packs& archived, const Packs& thawing);
    std::vector<PackId> ids_of(const Packs& packs) const;
    std::uint64_t bytes_of(const Packs& packs) const;

    Repository& repository_;
    SnapshotAccess& access_;
    const RestoreOptions& options_;
    const EngineLimits& limits_;
    JobContext& context_;
    Waiting waiting_;
};

} // namespace backstay::core
