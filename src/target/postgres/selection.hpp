#pragma once

#include "postgres/archive_toc.hpp"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace backstay::core
{

/// A table (view, sequence) as a user names it: `table` in any schema, or `schema.table`; names
/// with dots or quotes in double quotes.
struct PostgresTablePattern {
    std::optional<std::string> schema;
    std::string table;
};
/// Throws Error{invalid}.
PostgresTablePattern parse_postgres_table(const std::string& text);

struct PostgresSelectionRules {
    std::vector<PostgresTablePattern> tables; ///< with schemas empty, too: everything
    std::vector<std::string> schemas;
    bool data_only = false;
    bool schema_only = false;
    /// Into a database where nothing is: what the chosen need (types, functions, schemas) comes
    /// along, and foreign keys to what does not come are left out.
    bool into_new = true;
    std::set<std::string> existing_schemas; ///< not made again
};

/// Which entries of an archive are restored.
struct PostgresSelection {
    bool everything = false;
    std::vector<const PostgresTocEntry*> entries;  ///< in the archive's order
    std::vector<const PostgresTocEntry*> left_out; ///< foreign keys whose other side does not come
    std::vector<std::string> unknown;              ///< tables and schemas that are not there
};

/// With a table come its rows, columns' defaults, sequences, indexes, constraints, triggers,
/// policies, rights, comments, and partitions.
PostgresSelection select_postgres_entries(const PostgresToc& contents,
                                          const PostgresSelectionRules& rules);

} // namespace backstay::core
