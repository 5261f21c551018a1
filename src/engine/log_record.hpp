#pragma once

#include "base/record.hpp"
#include "repo/snapshot_catalog.hpp"
#include "source/postgres/log_files_source.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// Where files of the log come from.
struct LogOrigin {
    std::string system_id;
    std::uint64_t segment_size = 0; ///< 0: not known
};

/// The name and the kind of the one source of a snapshot of kind "log".
inline constexpr const char* log_source_name = "wal";
inline constexpr const char* log_source_kind = "postgres.log";

/// The path of the file within such a snapshot.
std::string log_file_path(const std::string& name);

/// The record that such a snapshot carries: of which system it has which files.
std::string encode_log_record(const LogOrigin& origin, const std::vector<LogFile>& files);

/// Empty if the snapshot is of another kind.
Record log_record(const Snapshot& snapshot);
/// Empty and 0 where the record does not tell.
LogOrigin log_origin(const Record& record);

/// Calls `take(name, hash)` for each file.
template <typename Take>
void for_each_log_file(const Record& record, Take&& take)
{
    const Record::Field* files = record.find("files");
    if (files == nullptr || files->kind != Record::Field::Kind::list) {
        return;
    }
    for (const Record::Field& item : files->nested.front().fields()) {
        if (item.kind == Record::Field::Kind::record) {
            const Record& file = item.nested.front();
            take(file.text("name"), file.text("sha256"));
        }
    }
}

} // namespace backstay::core
