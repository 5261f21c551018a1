#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// A name of a database, schema or table as one name of a path, reversibly: '/', '%', '.', '#',
/// control characters and DEL become %XX, everything else stays. So "." joins two of them, and
/// what we add ourselves cannot be taken for one.
std::string escape_postgres_name(std::string_view name);
/// Empty if no name is escaped like this.
std::optional<std::string> unescape_postgres_name(std::string_view escaped);

/// "schema.table", each escaped.
std::string join_postgres_names(std::string_view schema, std::string_view table);
struct PostgresTableName {
    std::string schema;
    std::string table;
    bool operator==(const PostgresTableName&) const = default;
};
/// Empty if these are not two names.
std::optional<PostgresTableName> split_postgres_names(std::string_view joined);

} // namespace backstay::core
