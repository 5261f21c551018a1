#include "postgres/programs.hpp"
#include "support/temp_dir.hpp"

#include "base/error.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <functional>

using namespace backstay::core;

namespace
{

/// A program that says it is of this version.
void put_program(const std::filesystem::path& folder, const std::string& version)
{
    std::filesystem::create_directories(folder);
    const std::filesystem::path path = folder / "pg_dump";
    std::ofstream(path) << "#!/bin/sh\necho 'pg_dump (PostgreSQL) " << version << "'\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
}

ErrorCode code_of(const std::function<void()>& act)
{
    try {
        act();
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::internal;
}

} // namespace

TEST_CASE("a program's version is read from what it says of itself")
{
    const auto major = [](const char* output) { return parse_postgres_version("p", output).major; };
    CHECK(major("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n") == 15);
    CHECK(parse_postgres_version("p", "pg_dump (PostgreSQL) 15.18 (Debian)\n").version == "15.18");
    CHECK(major("pg_dump (PostgreSQL) 18beta1\n") == 18);
    CHECK(major("psql 9\n") == 0);
    CHECK(major("") == 0);
    CHECK(major("pg_dump (PostgreSQL) ") == 0);
}

TEST_CASE("a program in a folder that is named must be there, and new enough")
{
    const TempDir folder;
    CHECK(code_of([&] { find_postgres_program("pg_dump", folder.path(), 15, {}); }) ==
          ErrorCode::not_found);
    put_program(folder.path(), "15.4");
    CHECK(find_postgres_program("pg_dump", folder.path(), 15, {}).version == "15.4");
    CHECK(find_postgres_program("pg_dump", folder.path(), 13, {}).major == 15);
    try {
        find_postgres_program("pg_dump", folder.path(), 16, {});
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::unsupported);
        const std::string message = error.what();
        CHECK(message.find("15.4") != std::string::npos);
        CHECK(message.find("16") != std::string::npos);
    }
}

TEST_CASE("the conninfo for another database keeps all else, quoted, and does not wait for ever")
{
    const std::string text = postgres_conninfo_for(
        "host=h dbname=old application_name='it\\'s' keepalives_idle=7", "n'w \\");
    CHECK(text.find("host='h'") != std::string::npos);
    CHECK(text.find("old") == std::string::npos);
    CHECK(text.find("keepalives_idle='7'") != std::string::npos);
    CHECK(text.find("connect_timeout='30'") != std::string::npos);
    CHECK(text.ends_with("dbname='n\\'w \\\\'"));
    CHECK(postgres_conninfo_for("postgresql://u@h:7/old?sslmode=require", "x").find("port='7'") !=
          std::string::npos);
    // What comes out goes in again.
    CHECK(postgres_conninfo_for(text, "y").ends_with("dbname='y'"));
    CHECK(code_of([] { postgres_conninfo_for("no connection string", "x"); }) ==
          ErrorCode::invalid);
    CHECK(names_postgres_database("dbname=x"));
    CHECK(names_postgres_database("postgresql://h/x"));
    CHECK_FALSE(names_postgres_database("host=h"));
    CHECK_FALSE(names_postgres_database(""));
}
