#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// A name or a literal as SQL and replication commands take them, quoted.
std::string postgres_identifier(std::string_view name);
std::string postgres_literal(std::string_view text);

/// A word, a quoted name, a literal or a sign of SQL.
struct SqlToken {
    enum class Kind : std::uint8_t {
        word,    ///< `text` as it stands
        name,    ///< quoted: `value` without the quotes
        literal, ///< '…', E'…', $…$
        sign,
    };
    Kind kind = Kind::word;
    std::string_view text; ///< as it stands in the statement
    std::string value;     ///< of words (as they stand) and names

    bool is(std::string_view keyword) const { return kind == Kind::word && text == keyword; }
    bool is_identifier() const { return kind == Kind::word || kind == Kind::name; }
};

/// Tokens of one statement, comments left out. An open quote ends with the text.
std::vector<SqlToken> sql_tokens(std::string_view statement);

/// Statements of a script as pg_dump writes it, each with its ';', without what stands between them
/// (blanks, comments, lines of psql that begin with '\').
std::vector<std::string_view> split_sql(std::string_view script);

/// The statement with another database's name: the one behind the keyword DATABASE.
std::string with_database_name(std::string_view statement, const std::string& quoted_name);

/// The statement without "KEYWORD = value", if it has that.
std::string without_sql_option(std::string_view statement, std::string_view keyword);

} // namespace backstay::core
