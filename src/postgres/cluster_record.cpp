#include "postgres/cluster_record.hpp"

#include "base/error.hpp"
#include "base/record.hpp"

#include <charconv>

namespace backstay::core
{

namespace
{

constexpr std::size_t longest_location = 4096;

[[noreturn]] void refuse(const char* field)
{
    throw Error(ErrorCode::damaged, "the snapshot's record of the PostgreSQL cluster is damaged",
                field);
}

LogPosition position_in(const Record& record, const char* field)
{
    const auto position = parse_log_position(record.text(field));
    if (!position) {
        refuse(field);
    }
    return *position;
}

std::uint32_t number_in(const Record& record, const char* field)
{
    const std::int64_t number = record.number(field, -1);
    if (number < 0 || number > UINT32_MAX) {
        refuse(field);
    }
    return static_cast<std::uint32_t>(number);
}

std::uint32_t mode_in(const Record& record)
{
    const std::string text = record.text("folder_mode", "0700");
    std::uint32_t mode = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    const bool possible =
        failed == std::errc() && end == text.data() + text.size() && (mode == 0700 || mode == 0750);
    if (!possible) {
        refuse("folder_mode");
    }
    return mode;
}

std::vector<ClusterRecord::Tablespace> tablespaces_in(const Record& record)
{
    std::vector<ClusterRecord::Tablespace> tablespaces;
    const Record::Field* list = record.find("tablespaces");
    if (list == nullptr || list->kind != Record::Field::Kind::list) {
        refuse("tablespaces");
    }
    for (const Record::Field& item : list->nested.front().fields()) {
        if (item.kind != Record::Field::Kind::record) {
            refuse("tablespaces");
        }
        const Record& space = item.nested.front();
        ClusterRecord::Tablespace tablespace{number_in(space, "oid"), space.text("location")};
        const bool possible = tablespace.oid != 0 && !tablespace.location.empty() &&
                              tablespace.location.size() <= longest_location &&
                              tablespace.location.find('\0') == std::string::npos;
        if (!possible) {
            refuse("tablespaces");
        }
        tablespaces.push_back(std::move(tablespace));
    }
    return tablespaces;
}

} // namespace

ClusterRecord parse_cluster_record(const std::string& json)
{
    const Record record = json.empty() ? Record() : Record::from_json(json);
    if (record.text("kind") != "postgres" || record.text("method") != "physical") {
        throw Error(ErrorCode::invalid,
                    "this is no physical backup of a PostgreSQL cluster: name the part of the "
                    "snapshot that is one, as in SNAPSHOT:postgres");
    }
    ClusterRecord cluster;
    cluster.server_version = record.text("server_version");
    cluster.version = static_cast<int>(number_in(record, "version"));
    cluster.system_id = record.text("system_id");
    cluster.timeline = number_in(record, "timeline");
    cluster.segment_size = number_in(record, "wal_segment_size");
    if (!is_log_segment_size(cluster.segment_size) || cluster.timeline == 0) {
        refuse("wal_segment_size");
    }
    cluster.folder_mode = mode_in(record);
    cluster.begin = position_in(record, "begin");
    cluster.end = position_in(record, "end");
    cluster.log_end = position_in(record, "wal_end");
    cluster.ended = parse_time(record.text("ended"));
    cluster.tablespaces = tablespaces_in(record);
    if (const Record::Field* settings = record.find("settings");
        settings != nullptr && settings->kind == Record::Field::Kind::record) {
        cluster.configuration_file = settings->nested.front().text("config_file");
    }
    return cluster;
}

} // namespace backstay::core
