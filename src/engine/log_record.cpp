#include "engine/log_record.hpp"

#include "postgres/log_position.hpp"

namespace backstay::core
{

std::string log_file_path(const std::string& name)
{
    return std::string(log_source_name) + "/" + name;
}

std::string encode_log_record(const LogOrigin& origin, const std::vector<LogFile>& files)
{
    Record list = Record::list();
    for (const LogFile& file : files) {
        Record one;
        one.set("name", file.name).set("sha256", file.hash);
        list.add(std::move(one));
    }
    Record record;
    record.set("kind", "postgres").set("method", "log").set("system_id", origin.system_id);
    record.set("wal_segment_size", origin.segment_size);
    return record.set("files", std::move(list)).json();
}

Record log_record(const Snapshot& snapshot)
{
    for (const SnapshotSource& source : snapshot.record.sources) {
        if (snapshot.record.kind == "log" && source.kind == log_source_kind &&
            !source.record.empty()) {
            return Record::from_json(source.record);
        }
    }
    return {};
}

LogOrigin log_origin(const Record& record)
{
    const auto size = static_cast<std::uint64_t>(record.number("wal_segment_size"));
    return {record.text("system_id"), is_log_segment_size(size) ? size : 0};
}

} // namespace backstay::core
