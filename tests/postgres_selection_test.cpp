#include "support/sample_archive.hpp"
#include "target/postgres/restore_options.hpp"
#include "target/postgres/selection.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

/// As pg_dump orders them: a schema, two tables with a key between them, a view, a partitioned
/// table, sequences, rows, indexes.
PostgresToc shop()
{
    SampleArchive archive;
    const auto pre = [&](int id, std::string kind, std::string schema, std::string tag,
                         std::vector<int> needs) {
        archive.add({.id = id,
                     .kind = std::move(kind),
                     .schema = std::move(schema),
                     .tag = std::move(tag),
                     .dependencies = std::move(needs)});
    };
    const auto post = [&](int id, std::string kind, std::string tag, std::vector<int> needs) {
        archive.add({.id = id,
                     .kind = std::move(kind),
                     .tag = std::move(tag),
                     .dependencies = std::move(needs),
                     .section = section_post_data});
    };
    pre(1, "SCHEMA", "", "other", {});
    pre(2, "TYPE", "other", "mood", {1});
    pre(3, "TABLE", "public", "customers", {2});
    pre(4, "SEQUENCE", "public", "customers_id_seq", {3});
    pre(5, "SEQUENCE OWNED BY", "public", "customers_id_seq", {4});
    pre(6, "TABLE", "public", "orders", {});
    pre(7, "VIEW", "public", "v", {3, 6});
    pre(8, "TABLE", "other", "orders", {1});
    pre(9, "TABLE", "public", "parts", {});
    pre(10, "TABLE", "public", "parts1", {});
    pre(11, "TABLE ATTACH", "public", "parts1", {9, 10});
    pre(12, "DEFAULT", "public", "customers id", {4, 3});
    archive.table_data(20, "customers", "public", {3}).table_data(21, "orders", "public", {6});
    archive.table_data(22, "orders", "other", {8}).table_data(23, "parts1", "public", {10});
    archive.add({.id = 24,
                 .kind = "SEQUENCE SET",
                 .tag = "customers_id_seq",
                 .dependencies = {4},
                 .section = section_data});
    post(30, "CONSTRAINT", "customers customers_pkey", {3});
    post(31, "INDEX", "orders_note", {6});
    post(32, "FK CONSTRAINT", "orders orders_customer", {30, 3, 6});
    post(33, "TRIGGER", "orders t", {6});
    return PostgresToc::decode(archive.contents());
}

std::vector<int> chosen(const PostgresToc& contents, const PostgresSelectionRules& rules)
{
    std::vector<int> ids;
    for (const PostgresTocEntry* entry : select_postgres_entries(contents, rules).entries) {
        ids.push_back(entry->dump_id);
    }
    return ids;
}

PostgresSelectionRules table(const std::string& name, bool into_new)
{
    PostgresSelectionRules rules;
    rules.tables = {parse_postgres_table(name)};
    rules.into_new = into_new;
    return rules;
}

} // namespace

TEST_CASE("without a choice everything comes")
{
    const PostgresToc contents = shop();
    PostgresSelectionRules rules;
    CHECK(select_postgres_entries(contents, rules).everything);
    CHECK(chosen(contents, rules).size() == contents.entries().size());
    rules.schema_only = true;
    CHECK(chosen(contents, rules).size() == contents.entries().size() - 5);
    rules.schema_only = false;
    rules.data_only = true;
    CHECK(chosen(contents, rules) == std::vector<int>{20, 21, 22, 23, 24});
}

TEST_CASE("a table comes with what is its own")
{
    const PostgresToc contents = shop();
    CHECK(chosen(contents, table("customers", false)) == std::vector<int>{3, 4, 5, 12, 20, 24, 30});
    CHECK(chosen(contents, table("public.orders", false)) == std::vector<int>{6, 21, 31, 32, 33});
}

TEST_CASE("a table of the same name in another schema stays where it is")
{
    CHECK(chosen(shop(), table("other.orders", false)) == std::vector<int>{8, 22});
    CHECK(chosen(shop(), table("orders", false)) == std::vector<int>{6, 8, 21, 22, 31, 32, 33});
}

TEST_CASE("into a new database comes what a table needs, and no key to one that does not come")
{
    const PostgresToc contents = shop();
    CHECK(chosen(contents, table("customers", true)) ==
          std::vector<int>{1, 2, 3, 4, 5, 12, 20, 24, 30});
    const PostgresSelection orders =
        select_postgres_entries(contents, table("public.orders", true));
    REQUIRE(orders.left_out.size() == 1);
    CHECK(orders.left_out[0]->dump_id == 32);
    CHECK(chosen(contents, table("public.orders", true)) == std::vector<int>{6, 21, 31, 33});
    PostgresSelectionRules both = table("public.orders", true);
    both.tables.push_back(parse_postgres_table("customers"));
    CHECK(select_postgres_entries(contents, both).left_out.empty());
}

TEST_CASE("a view brings the tables it looks at, without their rows")
{
    const std::vector<int> ids = chosen(shop(), table("v", true));
    CHECK(std::find(ids.begin(), ids.end(), 3) != ids.end());
    CHECK(std::find(ids.begin(), ids.end(), 6) != ids.end());
    CHECK(std::find(ids.begin(), ids.end(), 20) == ids.end());
    CHECK(std::find(ids.begin(), ids.end(), 21) == ids.end());
}

TEST_CASE("a partition comes with the table that it is part of")
{
    CHECK(chosen(shop(), table("parts", false)) == std::vector<int>{9, 10, 11, 23});
}

TEST_CASE("a schema comes whole, and is not made where it is")
{
    PostgresSelectionRules rules;
    rules.schemas = {"other"};
    CHECK(chosen(shop(), rules) == std::vector<int>{1, 2, 8, 22});
    rules.existing_schemas = {"other"};
    CHECK(chosen(shop(), rules) == std::vector<int>{2, 8, 22});
}

TEST_CASE("names that are nowhere are told")
{
    PostgresSelectionRules rules = table("no.such", false);
    rules.schemas = {"none"};
    const PostgresToc contents = shop();
    const PostgresSelection selection = select_postgres_entries(contents, rules);
    CHECK(selection.entries.empty());
    CHECK(selection.unknown == std::vector<std::string>{"no.such", "none"});
}

TEST_CASE("tables are named plainly, or in quotes where their names are odd")
{
    CHECK(parse_postgres_table("t").table == "t");
    CHECK_FALSE(parse_postgres_table("t").schema);
    CHECK(parse_postgres_table("My Schema.T").schema == "My Schema");
    const PostgresTablePattern odd = parse_postgres_table("\"a.b\".\"c \"\"d\"\"\"");
    CHECK(odd.schema == "a.b");
    CHECK(odd.table == "c \"d\"");
    for (const char* bad : {"", ".", "a.", ".b", "a.b.c", "\"open"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(parse_postgres_table(bad), Error);
    }
}

TEST_CASE("a database may get another name")
{
    CHECK(parse_postgres_mapping("a").to == "a");
    CHECK(parse_postgres_mapping("a=b").from == "a");
    CHECK(parse_postgres_mapping("a=b").to == "b");
    CHECK(parse_postgres_mapping("\"a=b\"=c d").from == "a=b");
    CHECK(parse_postgres_mapping("\"a=b\"=c d").to == "c d");
    for (const char* bad : {"", "=", "a=", "=b"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(parse_postgres_mapping(bad), Error);
    }
}
