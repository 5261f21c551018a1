#include "postgres/sql_text.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

std::vector<std::string> statements(std::string_view script)
{
    std::vector<std::string> out;
    for (const std::string_view statement : split_sql(script)) {
        out.emplace_back(statement);
    }
    return out;
}

} // namespace

TEST_CASE("a semicolon in a literal, a name, a comment or between dollars ends no statement")
{
    CHECK(statements("SELECT 'a;b'; SELECT \";\" ;") ==
          std::vector<std::string>{"SELECT 'a;b';", "SELECT \";\" ;"});
    CHECK(statements("SELECT 'it''s;'; X;") == std::vector<std::string>{"SELECT 'it''s;';", "X;"});
    CHECK(statements("SELECT E'\\';'; X;") == std::vector<std::string>{"SELECT E'\\';';", "X;"});
    CHECK(statements("A -- no; end\n B;") == std::vector<std::string>{"A -- no; end\n B;"});
    CHECK(statements("DO $x$ a; $$ b; $x$; C;") ==
          std::vector<std::string>{"DO $x$ a; $$ b; $x$;", "C;"});
}

TEST_CASE("comments and commands of psql between statements are passed over")
{
    CHECK(statements("--\n-- Roles\n--\n\n\\restrict abc;def\n\nSET a = on;\n\\unrestrict abc\n") ==
          std::vector<std::string>{"SET a = on;"});
    CHECK(statements("").empty());
    CHECK(statements("  \n-- nothing").empty());
}

TEST_CASE("a statement that breaks off is given as it is")
{
    CHECK(statements("SELECT 'open") == std::vector<std::string>{"SELECT 'open"});
    CHECK(statements("A; B") == std::vector<std::string>{"A;", "B"});
    CHECK(statements("$a$ never closed; x") == std::vector<std::string>{"$a$ never closed; x"});
}

TEST_CASE("quoted names lose their quotes")
{
    const std::vector<SqlToken> tokens = sql_tokens("ALTER ROLE \"a \"\"b\"\"\" WITH LOGIN;");
    REQUIRE(tokens.size() == 6);
    CHECK(tokens[2].kind == SqlToken::Kind::name);
    CHECK(tokens[2].value == "a \"b\"");
    CHECK(tokens[4].is("LOGIN"));
    CHECK(tokens[5].kind == SqlToken::Kind::sign);
}

TEST_CASE("an option is taken out of a statement with its value")
{
    CHECK(without_sql_option("CREATE DATABASE x ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = "
                             "'C';",
                             "LOCALE_PROVIDER") ==
          "CREATE DATABASE x ENCODING = 'UTF8'  LOCALE = 'C';");
    CHECK(without_sql_option("CREATE DATABASE \"LOCALE_PROVIDER\";", "LOCALE_PROVIDER") ==
          "CREATE DATABASE \"LOCALE_PROVIDER\";");
    CHECK(without_sql_option("A = ", "A") == "A = ");
}

TEST_CASE("another database's name is put where the statement names one")
{
    CHECK(with_database_name("CREATE DATABASE \"a\"\"b\" WITH TEMPLATE = template0;", "\"x\"") ==
          "CREATE DATABASE \"x\" WITH TEMPLATE = template0;");
    CHECK(with_database_name("ALTER ROLE r IN DATABASE shop SET a TO 'DATABASE y';", "\"x\"") ==
          "ALTER ROLE r IN DATABASE \"x\" SET a TO 'DATABASE y';");
    CHECK(with_database_name("COMMENT ON DATABASE shop IS 'DATABASE z';", "n") ==
          "COMMENT ON DATABASE n IS 'DATABASE z';");
    CHECK(with_database_name("SELECT 1;", "n") == "SELECT 1;");
}
