#include "engine/prune_plan.hpp"

#include <algorithm>

namespace backstay::core
{

std::vector<PackUse> measure_packs(const BlobIndex& index, const Marks& marks)
{
    std::vector<PackUse> packs(index.packs());
    std::vector<std::vector<IndexedFrame>> frames(index.packs());
    for (std::uint32_t number = 0; number < packs.size(); ++number) {
        const IndexedPack& pack = index.pack(number);
        packs[number].id = pack.id;
        packs[number].size = pack.size;
        packs[number].condemned = pack.condemned;
    }
    index.for_each([&](std::uint64_t ordinal, const BlobId&, const BlobPlace& place) {
        PackUse& pack = packs[place.pack];
        pack.metadata = pack.metadata || place.kind != BlobKind::data;
        if (!marks.test(ordinal)) {
            ++pack.unused_blobs;
            return;
        }
        ++pack.used_blobs;
        std::vector<IndexedFrame>& own = frames[place.pack];
        if (own.empty()) {
            own = index.frames(place.pack);
        }
        const IndexedFrame& frame = own.at(place.frame);
        const double share =
            frame.plain_size == 0 ? 0 : static_cast<double>(place.length) / frame.plain_size;
        pack.used += static_cast<std::uint64_t>(share * frame.stored_size);
    });
    return packs;
}

namespace
{

std::uint64_t allowed_unused(const PruneOptions& options, std::uint64_t used)
{
    if (options.max_unused_bytes) {
        return *options.max_unused_bytes;
    }
    // A part p of all bytes afterwards: unused / (used + unused) <= p.
    const double part = options.max_unused_fraction;
    return static_cast<std::uint64_t>(static_cast<double>(used) * part / (1 - part));
}

} // namespace

PrunePlan plan_prune(const std::vector<PackUse>& packs, const PruneOptions& options)
{
    PrunePlan plan;
    std::vector<PackUse> candidates;
    std::uint64_t used = 0;
    std::uint64_t unused = 0;
    for (const PackUse& pack : packs) {
        plan.total_bytes += pack.size;
        if (pack.condemned) {
            continue; // an earlier collection's: finished with ours
        }
        if (pack.used_blobs == 0) {
            plan.remove.push_back(pack);
            continue;
        }
        used += pack.used;
        unused += pack.unused_blobs > 0 ? pack.unused() : 0;
        if (pack.unused_blobs > 0 && !pack.archived) {
            candidates.push_back(pack);
        }
    }
    std::sort(candidates.begin(), candidates.end(), [](const PackUse& a, const PackUse& b) {
        // Most given back for a byte rewritten first.
        return static_cast<double>(a.unused()) * static_cast<double>(b.used + 1) >
               static_cast<double>(b.unused()) * static_cast<double>(a.used + 1);
    });
    const std::uint64_t allowed = allowed_unused(options, used);
    std::uint64_t rewritten = 0;
    for (const PackUse& pack : candidates) {
        if (unused <= allowed) {
            break;
        }
        if (options.max_repack_bytes != 0 && rewritten + pack.used > options.max_repack_bytes) {
            continue;
        }
        rewritten += pack.used;
        unused -= std::min(unused, pack.unused());
        plan.repack.push_back(pack);
    }
    plan.unused_left = unused;
    return plan;
}

} // namespace backstay::core
