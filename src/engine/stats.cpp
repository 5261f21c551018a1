#include "base/error.hpp"
#include "engine/listing.hpp"
#include "engine/marks.hpp"
#include "engine/prune_plan.hpp"

#include <algorithm>

namespace backstay::core
{

Record repository_stats(Repository& repository, const std::vector<std::string>& snapshots,
                        const SnapshotFilter& filter, const EngineLimits& limits,
                        JobContext& context)
{
    const std::stop_token& stop = context.stop();
    const SnapshotList list = list_snapshots_seen(repository, stop);
    std::vector<Snapshot> chosen;
    chosen.reserve(snapshots.size());
    for (const std::string& name : snapshots) {
        chosen.push_back(find_and_tell(repository, list, name, filter, context));
    }
    if (snapshots.empty()) {
        std::copy_if(list.snapshots.begin(), list.snapshots.end(), std::back_inserter(chosen),
                     [&filter](const Snapshot& snapshot) { return filter.matches(snapshot); });
    }
    const std::shared_ptr<BlobIndex> index =
        BlobIndex::load(repository, read_condemned(repository, stop), Freshness::cached, stop);
    BlobReader reader(repository, index, limits.memory / 8);
    Marks marks(index->size());
    MarkFindings findings;
    findings.missing = [&context](const Snapshot&, const std::string& path, const BlobId&, BlobKind,
                                  const std::string& why) {
        context.problem({"", path, static_cast<std::int32_t>(ErrorCode::damaged), why});
    };
    mark_snapshots(reader, chosen, marks, findings, limits, context);

    std::uint64_t blobs = 0;
    std::uint64_t bytes = 0;
    index->for_each([&](std::uint64_t ordinal, const BlobId&, const BlobPlace& place) {
        if (marks.test(ordinal)) {
            ++blobs;
            bytes += place.length;
        }
    });
    std::uint64_t stored = 0;
    std::uint64_t all = 0;
    std::uint64_t packs = 0;
    for (const PackUse& pack : measure_packs(*index, marks)) {
        stored += pack.used;
        all += pack.size;
        packs += pack.used_blobs > 0 ? 1 : 0;
    }
    std::uint64_t entries = 0;
    std::uint64_t source = 0;
    for (const Snapshot& snapshot : chosen) {
        entries += snapshot.record.counts.entries;
        source += snapshot.record.counts.bytes_source;
    }
    const std::uint64_t problems = context.progress().problems;
    Record summary("summary");
    summary.set("command", "stats")
        .set("snapshots", static_cast<std::uint64_t>(chosen.size()))
        .set("entries", entries);
    summary.set("bytes_source", source)
        .set("blobs", blobs)
        .set("bytes", bytes)
        .set("bytes_stored", stored);
    summary.set("packs", packs).set("bytes_in_packs", all).set("problems", problems);
    return summary.set("verdict", problems == 0 ? "ok" : "problems");
}

} // namespace backstay::core
