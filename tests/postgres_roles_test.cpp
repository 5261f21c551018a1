#include "target/postgres/roles.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

constexpr const char* globals = R"(--
-- PostgreSQL database cluster dump
--

\restrict k3y

SET default_transaction_read_only = off;
SET client_encoding = 'UTF8';

--
-- Roles
--

CREATE ROLE "app";
ALTER ROLE "app" WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:a;b';
CREATE ROLE "odd ""one""";
ALTER ROLE "odd ""one""" WITH NOSUPERUSER NOLOGIN;
COMMENT ON ROLE "odd ""one""" IS 'two
lines; of it';
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER;
COMMENT ON ROLE postgres IS 'theirs';

ALTER ROLE "app" SET "work_mem" TO '8MB';

GRANT "app" TO "odd ""one""" WITH ADMIN OPTION GRANTED BY "postgres";
GRANT "app" TO postgres GRANTED BY "postgres";

CREATE TABLESPACE "fast" OWNER "postgres" LOCATION '/mnt/fast';
GRANT ALL ON TABLESPACE "fast" TO "app";

\unrestrict k3y
)";

} // namespace

TEST_CASE("roles that are missing are made with all that is theirs")
{
    const PostgresRolePlan plan = plan_postgres_roles(globals, {"postgres"});
    CHECK(plan.created == std::vector<std::string>{"app", "odd \"one\""});
    CHECK(plan.statements ==
          std::vector<std::string>{
              "SET default_transaction_read_only = off;",
              "SET client_encoding = 'UTF8';",
              "CREATE ROLE \"app\";",
              "ALTER ROLE \"app\" WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:a;b';",
              "CREATE ROLE \"odd \"\"one\"\"\";",
              "ALTER ROLE \"odd \"\"one\"\"\" WITH NOSUPERUSER NOLOGIN;",
              "COMMENT ON ROLE \"odd \"\"one\"\"\" IS 'two\nlines; of it';",
              "ALTER ROLE \"app\" SET \"work_mem\" TO '8MB';",
              "GRANT \"app\" TO \"odd \"\"one\"\"\" WITH ADMIN OPTION ;",
          });
}

TEST_CASE("a role that is there is not touched, whatever the snapshot says of it")
{
    const PostgresRolePlan plan = plan_postgres_roles(globals, {"postgres", "app"});
    CHECK(plan.created == std::vector<std::string>{"odd \"one\""});
    for (const std::string& statement : plan.statements) {
        CHECK(statement.find("ROLE \"app\"") == std::string::npos);
        CHECK(statement.find("postgres") == std::string::npos);
    }
}

TEST_CASE("where no role is missing there is nothing to do")
{
    CHECK(plan_postgres_roles(globals, {"postgres", "app", "odd \"one\""}).statements.empty());
    CHECK(plan_postgres_roles("", {}).statements.empty());
}

TEST_CASE("nothing is ever dropped, whatever stands in a snapshot")
{
    const PostgresRolePlan plan = plan_postgres_roles(
        "CREATE ROLE a; DROP ROLE b; DROP DATABASE c; ALTER ROLE b WITH SUPERUSER;", {"b"});
    CHECK(plan.statements == std::vector<std::string>{"CREATE ROLE a;"});
}
