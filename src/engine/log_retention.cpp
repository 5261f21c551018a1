#include "engine/log_retention.hpp"

#include "engine/log_record.hpp"
#include "postgres/log_file.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace backstay::core
{

namespace
{

constexpr std::size_t timeline_digits = 8;

/// Where a physical backup begins: its system, and the segments before it as names compare.
struct BackupBegin {
    std::string system_id;
    std::string segment; ///< without the timeline
};

std::optional<BackupBegin> begin_of(const Snapshot& snapshot)
{
    for (const SnapshotSource& source : snapshot.record.sources) {
        if (source.kind != "postgres.physical" || source.record.empty()) {
            continue;
        }
        const Record record = Record::from_json(source.record);
        const auto position = parse_log_position(record.text("wal_begin"));
        const auto size = static_cast<std::uint64_t>(record.number("wal_segment_size"));
        if (position && is_log_segment_size(size)) {
            const std::string name = segment_name(segment_at(1, *position, size), size);
            return BackupBegin{record.text("system_id"), name.substr(timeline_digits)};
        }
    }
    return std::nullopt;
}

/// What lists say of one system.
struct LogSystem {
    std::uint64_t segment_size = 0;
    std::map<std::uint32_t, std::set<std::uint64_t>> segments; ///< by timeline
    std::string newest_begin; ///< of a physical backup, a segment without the timeline
};

std::map<std::string, LogSystem> systems_of(const SnapshotList& list)
{
    std::map<std::string, LogSystem> systems;
    for (const Snapshot& snapshot : list.snapshots) {
        if (const auto begin = begin_of(snapshot)) {
            std::string& newest = systems[begin->system_id].newest_begin;
            newest = std::max(newest, begin->segment);
        }
        const Record record = log_record(snapshot);
        const LogOrigin origin = log_origin(record);
        if (origin.segment_size == 0) {
            continue;
        }
        LogSystem& system = systems[origin.system_id];
        system.segment_size = origin.segment_size;
        for_each_log_file(record, [&](const std::string& name, const std::string&) {
            if (const auto segment = parse_segment_name(name, origin.segment_size)) {
                system.segments[segment->timeline].insert(segment->number);
            }
        });
    }
    return systems;
}

} // namespace

LogNeed::LogNeed(const SnapshotList& list, const std::vector<bool>& kept)
{
    for (std::size_t i = 0; i < list.snapshots.size(); ++i) {
        const auto begin = kept[i] ? begin_of(list.snapshots[i]) : std::nullopt;
        if (begin) {
            std::string& from = from_[begin->system_id];
            from = from.empty() ? begin->segment : std::min(from, begin->segment);
        }
    }
}

bool LogNeed::knows(const std::string& system_id) const
{
    return from_.contains(system_id);
}

bool LogNeed::needs(const std::string& system_id, const std::string& file) const
{
    const auto from = from_.find(system_id);
    if (from == from_.end() || !is_log_file_name(file)) {
        return true;
    }
    // A history stays: which timelines there were matters as long as there is a backup.
    return is_timeline_history_name(file) || file.substr(timeline_digits, 16) >= from->second;
}

std::vector<LogGap> log_gaps(const SnapshotList& list)
{
    std::vector<LogGap> gaps;
    for (const auto& [id, system] : systems_of(list)) {
        for (const auto& [timeline, numbers] : system.segments) {
            std::optional<std::uint64_t> before;
            for (const std::uint64_t number : numbers) {
                if (before && number - *before > 1) {
                    const std::string last =
                        segment_name({timeline, number - 1}, system.segment_size);
                    gaps.push_back({id, segment_name({timeline, *before + 1}, system.segment_size),
                                    last, last.substr(timeline_digits) >= system.newest_begin});
                }
                before = number;
            }
        }
    }
    return gaps;
}

std::vector<const Snapshot*> unneeded_logs(const SnapshotList& list, const std::vector<bool>& kept)
{
    const LogNeed need(list, kept);
    std::vector<const Snapshot*> unneeded;
    for (const Snapshot& snapshot : list.snapshots) {
        if (snapshot.record.kind != "log" || snapshot.pinned) {
            continue;
        }
        const Record record = log_record(snapshot);
        const std::string system_id = log_origin(record).system_id;
        bool stays = !need.knows(system_id);
        for_each_log_file(record, [&](const std::string& name, const std::string&) {
            stays = stays || need.needs(system_id, name);
        });
        if (!stays) {
            unneeded.push_back(&snapshot);
        }
    }
    return unneeded;
}

} // namespace backstay::core
