#include "engine/log_archive.hpp"

#include "engine/log_record.hpp"
#include "postgres/log_file.hpp"

#include <fmt/core.h>
#include <set>

namespace backstay::core
{

LogArchive::LogArchive(const SnapshotList& list, const std::string& system_id)
    : system_id_(system_id)
{
    for (const Snapshot& snapshot : list.snapshots) { // the oldest first
        const Record record = log_record(snapshot);
        if (record.text("system_id") == system_id) {
            for_each_log_file(record, [&](const std::string& name, const std::string& hash) {
                files_[name] = {&snapshot, hash};
            });
        }
    }
}

std::optional<LogArchive::Place> LogArchive::find(const std::string& name) const
{
    const auto found = files_.find(name);
    return found != files_.end() ? std::optional(found->second) : std::nullopt;
}

std::vector<SessionId> LogArchive::superseded(const SnapshotList& list) const
{
    std::set<SessionId> needed;
    for (const auto& [name, place] : files_) {
        needed.insert(place.snapshot->record.id);
    }
    std::vector<SessionId> superseded;
    for (const Snapshot& snapshot : list.snapshots) {
        if (snapshot.record.kind == "log" && !snapshot.pinned &&
            log_record(snapshot).text("system_id") == system_id_ &&
            !needed.contains(snapshot.record.id)) {
            superseded.push_back(snapshot.record.id);
        }
    }
    return superseded;
}

std::string LogArchive::last_segment(std::uint32_t timeline) const
{
    std::string last;
    const std::string prefix = fmt::format("{:08X}", timeline);
    for (const auto& [name, place] : files_) {
        if (is_segment_name(name) && name.starts_with(prefix)) {
            last = name;
        }
    }
    return last;
}

} // namespace backstay::core
