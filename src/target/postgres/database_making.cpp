#include "target/postgres/database_making.hpp"

#include "base/record.hpp"
#include "postgres/connection.hpp"
#include "postgres/sql_text.hpp"

#include <fmt/core.h>

namespace backstay::core
{

PostgresDatabaseMaking making_of(const PostgresToc& contents, const PostgresRestoreOptions& options)
{
    PostgresDatabaseMaking making;
    for (const PostgresTocEntry& entry : contents.entries()) {
        const bool is_right = entry.kind == "ACL";
        if (entry.kind == "DATABASE") {
            making.create = entry.definition;
            making.owner = options.owners ? entry.owner : "";
        } else if (entry.kind == "DATABASE PROPERTIES" ||
                   ((is_right || entry.kind == "COMMENT") && entry.tag.starts_with("DATABASE ") &&
                    entry.schema.empty())) {
            if (is_right && !options.grants) {
                continue;
            }
            for (const std::string_view statement : split_sql(entry.definition)) {
                making.properties.emplace_back(statement);
            }
        }
    }
    return making;
}

PostgresDatabaseMaking plain_making(SnapshotView& view, const std::string& name)
{
    PostgresDatabaseMaking making;
    const std::string text = view.source_record();
    const Record record = text.empty() ? Record() : Record::from_json(text);
    const Record::Field* databases = record.find("databases");
    if (databases == nullptr || databases->nested.size() != 1) {
        return making;
    }
    for (const Record::Field& field : databases->nested.front().fields()) {
        if (field.nested.size() == 1 && field.nested.front().text("name") == name) {
            making.create = fmt::format("CREATE DATABASE x TEMPLATE template0 ENCODING {}",
                                        postgres_literal(field.nested.front().text("encoding")));
        }
    }
    return making;
}

} // namespace backstay::core
