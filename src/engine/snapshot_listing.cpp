#include "engine/listing.hpp"

#include "base/error.hpp"
#include "engine/retention.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

namespace backstay::core
{

namespace
{

std::vector<std::string> paths_of(const Snapshot& snapshot)
{
    std::set<std::string> paths;
    for (const SnapshotSource& source : snapshot.record.sources) {
        for (const std::string& root : source.roots) {
            paths.insert(source.kind == "tree" ? root : source.name + "/" + root);
        }
        if (source.roots.empty()) {
            paths.insert(source.name);
        }
    }
    return {paths.begin(), paths.end()};
}

const char* verdict_name(std::uint8_t verdict)
{
    return verdict == 1 ? "ok" : verdict == 2 ? "damaged" : "failed";
}

Record source_records(const Snapshot& snapshot)
{
    Record list = Record::list();
    for (const SnapshotSource& source : snapshot.record.sources) {
        Record record("source");
        record.set("name", source.name).set("kind", source.kind).set("roots", source.roots);
        record.set("verdict", verdict_name(source.verdict)).set("problems", source.problems);
        record.set("message", source.message);
        if (!source.record.empty()) {
            record.set("record", Record::from_json(source.record));
        }
        list.add(std::move(record));
    }
    return list;
}

/// The worst that is known of it.
const char* verdict_of(const Snapshot& snapshot)
{
    const auto& sources = snapshot.record.sources;
    if (!snapshot.lost.empty() ||
        std::any_of(sources.begin(), sources.end(),
                    [](const SnapshotSource& source) { return source.verdict == 2; })) {
        return "damaged";
    }
    return snapshot.record.counts.problems > 0 ? "problems" : "ok";
}

std::string joined(const std::vector<std::string>& parts)
{
    return fmt::format("{}", fmt::join(parts, ","));
}

} // namespace

Record snapshot_record(const Snapshot& snapshot)
{
    const SnapshotRecord& kept = snapshot.record;
    const SnapshotCounts& counts = kept.counts;
    Record record("snapshot");
    record.set("id", kept.id.hex()).set("time", kept.time).set("kind", kept.kind);
    record.set("host", kept.host).set("user", kept.user).set("tags", snapshot.tags);
    record.set("comment", snapshot.comment)
        .set("pinned", snapshot.pinned)
        .set("paths", paths_of(snapshot));
    record.set("parent", kept.parent == SessionId{} ? std::string() : kept.parent.hex());
    record.set("series", kept.series).set("counter", kept.counter).set("program", kept.program);
    record.set("entries", counts.entries).set("entries_new", counts.entries_new);
    record.set("entries_changed", counts.entries_changed)
        .set("entries_unchanged", counts.entries_unchanged);
    record.set("bytes_source", counts.bytes_source).set("bytes_read", counts.bytes_read);
    record.set("bytes_new", counts.bytes_new).set("bytes_stored", counts.bytes_stored);
    record.set("problems", counts.problems)
        .set("blobs_lost", static_cast<std::uint64_t>(snapshot.lost.size()));
    record.set("verdict", verdict_of(snapshot));
    record.set("seconds",
               Seconds{static_cast<std::int64_t>(counts.milliseconds / 1000),
                       static_cast<std::uint32_t>(counts.milliseconds % 1000 * 1'000'000)});
    record.set("sources", source_records(snapshot));
    return record;
}

const Snapshot& find_and_tell(Repository& repository, const SnapshotList& list,
                              const std::string& name, const SnapshotFilter& filter,
                              JobContext& context)
{
    const Snapshot& found = find_snapshot(list, name, filter);
    if (std::string notice = notice_about(name, found, repository.clock().now()); !notice.empty()) {
        context.emit(Record("notice").set("message", notice));
    }
    return found;
}

std::string snapshot_group(const Snapshot& snapshot, const std::vector<std::string>& group_by)
{
    std::vector<std::string> parts;
    for (const std::string& name : group_by) {
        if (name == "host") {
            parts.push_back("host=" + snapshot.record.host);
        } else if (name == "path") {
            parts.push_back("path=" + joined(paths_of(snapshot)));
        } else {
            parts.push_back("tag=" + joined(snapshot.tags));
        }
    }
    return fmt::format("{}", fmt::join(parts, " "));
}

Record list_snapshot_records(Repository& repository, const SnapshotsOptions& options,
                             JobContext& context)
{
    const SnapshotList list = list_snapshots_seen(repository, context.stop());
    std::map<std::string, std::vector<const Snapshot*>> groups;
    std::vector<const Snapshot*> wanted;
    for (const Snapshot& snapshot : list.snapshots) {
        if (options.filter.matches(snapshot)) {
            groups[snapshot_group(snapshot, options.group_by)].push_back(&snapshot);
            wanted.push_back(&snapshot);
        }
    }
    std::set<const Snapshot*> shown;
    for (const auto& [name, members] : groups) {
        const std::size_t most = options.latest == 0 ? members.size() : options.latest;
        shown.insert(members.end() - static_cast<std::ptrdiff_t>(std::min(most, members.size())),
                     members.end());
    }
    std::uint64_t count = 0;
    for (const Snapshot* snapshot : wanted) {
        if (shown.find(snapshot) == shown.end()) {
            continue;
        }
        Record record = snapshot_record(*snapshot);
        if (!options.group_by.empty()) {
            record.set("group", snapshot_group(*snapshot, options.group_by));
        }
        context.emit(std::move(record));
        ++count;
    }
    for (const UnreadableSnapshot& bad : list.unreadable) {
        context.problem(
            {"", snapshot_key(bad.id), static_cast<std::int32_t>(ErrorCode::damaged), bad.why});
    }
    for (const UnreadableNote& bad : list.unreadable_notes) {
        context.problem(
            {"", note_key(bad.id), static_cast<std::int32_t>(ErrorCode::damaged), bad.why});
    }
    Record summary("summary");
    summary.set("command", "snapshots")
        .set("snapshots", count)
        .set("problems", context.progress().problems.load());
    const bool all_readable = list.unreadable.empty() && list.unreadable_notes.empty();
    return summary.set("verdict", all_readable ? "ok" : "problems");
}

} // namespace backstay::core
