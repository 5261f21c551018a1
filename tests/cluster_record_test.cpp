#include "base/error.hpp"
#include "postgres/cluster_record.hpp"
#include "postgres/connection.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/server_facts.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

const std::string good =
    R"({"kind":"postgres","method":"physical","server_version":"15.18","version":150018,)"
    R"("system_id":"7","timeline":2,"wal_segment_size":16777216,"folder_mode":"0750",)"
    R"("begin":"0/2000028","end":"0/2000100","wal_end":"0/3000000",)"
    R"("ended":"2026-11-25T14:00:00Z","tablespaces":[{"oid":16385,"location":"/srv/one"}],)"
    R"("settings":{"config_file":"/etc/postgresql.conf"}})";

std::optional<ErrorCode> refusal(const std::string& json)
{
    try {
        parse_cluster_record(json);
        return std::nullopt;
    } catch (const Error& error) {
        return error.code();
    }
}

std::string replaced(const std::string& from, const std::string& to)
{
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
}

ErrorCode refused_conninfo(const std::string& conninfo)
{
    try {
        check_postgres_conninfo(conninfo);
        return ErrorCode{};
    } catch (const Error& error) {
        CHECK(std::string(error.what()).find("secret") == std::string::npos);
        return error.code();
    }
}

} // namespace

TEST_CASE("the record of a cluster tells what a restore needs")
{
    const ClusterRecord record = parse_cluster_record(good);
    CHECK(record.timeline == 2);
    CHECK(record.segment_size == 16 * MiB);
    CHECK(record.folder_mode == 0750);
    CHECK(record.end == 0x2000100);
    CHECK(record.log_end == 0x3000000);
    REQUIRE(record.tablespaces.size() == 1);
    CHECK(record.tablespaces[0].location == "/srv/one");
    CHECK(record.configuration_file == "/etc/postgresql.conf");
}

TEST_CASE("what is no record of a cluster is told apart from a damaged one")
{
    CHECK(refusal("") == ErrorCode::invalid);
    CHECK(refusal("{}") == ErrorCode::invalid);
    CHECK(refusal(replaced("physical", "logical")) == ErrorCode::invalid);
    CHECK(refusal("[") == ErrorCode::damaged);
    CHECK(refusal(replaced("16777216", "16777217")) == ErrorCode::damaged);
    CHECK(refusal(replaced("0750", "0777")) == ErrorCode::damaged);
    CHECK(refusal(replaced("0/2000100", "over there")) == ErrorCode::damaged);
    CHECK(refusal(replaced("16385", "-1")) == ErrorCode::damaged);
    CHECK(refusal(replaced("/srv/one", "")) == ErrorCode::damaged);
    CHECK(refusal(replaced("\"timeline\":2", "\"timeline\":0")) == ErrorCode::damaged);
}

TEST_CASE("a password in a connection string is refused and never repeated")
{
    CHECK(refused_conninfo("host=db user=me password=secret") == ErrorCode::invalid);
    CHECK(refused_conninfo("postgresql://me:secret@db/app") == ErrorCode::invalid);
    CHECK(refused_conninfo("host=db password='secret") == ErrorCode::invalid);
    CHECK(refused_conninfo("sslpassword=secret") == ErrorCode::invalid);
    CHECK(refused_conninfo("host=db user=me passfile=/secretless") == ErrorCode{});
    CHECK(refused_conninfo("postgresql://me@db:5433/app?sslmode=verify-full") == ErrorCode{});
    CHECK(refused_conninfo("") == ErrorCode{});
    CHECK(postgres_server_name("host=db port=5433") == "db:5433");
}

TEST_CASE("sizes are read as servers show them")
{
    CHECK(parse_postgres_size("16MB") == 16 * MiB);
    CHECK(parse_postgres_size("1GB") == GiB);
    CHECK(parse_postgres_size("8192") == 8192);
    CHECK(parse_postgres_size("64kB") == 64 * KiB);
    for (const char* wrong : {"", "MB", "1XB", "-1MB", "1 MB", "99999999999MB"}) {
        CAPTURE(wrong);
        CHECK_THROWS_AS(parse_postgres_size(wrong), Error);
    }
}
