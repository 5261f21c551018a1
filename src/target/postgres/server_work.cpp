#include "target/postgres/server_work.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "postgres/server.hpp"
#include "postgres/sql_text.hpp"

#include <array>
#include <chrono>
#include <fmt/format.h>
#include <thread>

namespace backstay::core
{

namespace
{

constexpr int first_with_locale_provider = 150000;
constexpr int times_to_look = 50; ///< until sessions that were ended are gone
constexpr std::chrono::milliseconds between_looks{100};

/// SQL for the number of the lock of a database's name, which is SQL, too.
std::string lock_of(const std::string& name)
{
    return fmt::format("('x' || substr(md5('backstay ' || {}), 1, 16))::bit(64)::bigint", name);
}

std::set<std::string> first_column(const PostgresRows& rows)
{
    std::set<std::string> values;
    for (int row = 0; row < rows.rows(); ++row) {
        values.emplace(rows.text(row, 0));
    }
    return values;
}

} // namespace

std::string random_database_name(PostgresInterim what)
{
    std::array<std::uint8_t, 8> bytes{};
    fill_random(bytes);
    return (what == PostgresInterim::scratch ? "backstay_scratch_" : "backstay_old_") +
           to_hex(bytes);
}

PostgresServerWork::PostgresServerWork(std::string conninfo,
                                       const std::vector<std::string>& entrances,
                                       const std::stop_token& stop)
    : conninfo_(std::move(conninfo)),
      connection_(connect_to_postgres_server(conninfo_, entrances, stop))
{
}

std::set<std::string> PostgresServerWork::databases()
{
    return first_column(connection_->query("SELECT datname FROM pg_catalog.pg_database"));
}

std::set<std::string> PostgresServerWork::roles()
{
    return first_column(connection_->query("SELECT rolname FROM pg_catalog.pg_roles"));
}

std::set<std::string> PostgresServerWork::tablespaces()
{
    return first_column(connection_->query("SELECT spcname FROM pg_catalog.pg_tablespace"));
}

PostgresServerWork::Objects PostgresServerWork::objects(const std::string& database,
                                                        const std::stop_token& stop)
{
    PostgresConnectOptions where;
    where.conninfo = conninfo_;
    where.database = database;
    PostgresConnection connection(where, stop);
    Objects objects;
    objects.schemas = first_column(connection.query("SELECT nspname FROM pg_catalog.pg_namespace"));
    const PostgresRows rows =
        connection.query("SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN "
                         "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN "
                         "('r', 'p', 'v', 'm', 'f', 'S')");
    for (int row = 0; row < rows.rows(); ++row) {
        objects.relations.emplace(rows.text(row, 0), rows.text(row, 1));
    }
    return objects;
}

bool PostgresServerWork::is_empty(const std::string& database, const std::stop_token& stop)
{
    PostgresConnectOptions where;
    where.conninfo = conninfo_;
    where.database = database;
    // Objects that came with the server have lower numbers (FirstNormalObjectId).
    return PostgresConnection(where, stop)
               .value(
                   "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid >= 16384) AND "
                   "NOT EXISTS (SELECT FROM pg_catalog.pg_proc WHERE oid >= 16384) AND NOT "
                   "EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE oid >= 16384 AND nspname "
                   "!~ '^pg_') AND NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)") ==
           "t";
}

void PostgresServerWork::make_roles(const PostgresRolePlan& plan)
{
    if (plan.created.empty()) {
        return;
    }
    connection_->query("BEGIN");
    try {
        for (const std::string& statement : plan.statements) {
            connection_->query(statement);
        }
    } catch (const Error& error) {
        connection_->query("ROLLBACK");
        throw Error(error.code(),
                    fmt::format("cannot make the roles that are missing (restore without roles, or "
                                "make them yourself): {}",
                                error.what()),
                    error.subject());
    }
    connection_->query("COMMIT");
}

void PostgresServerWork::create_database(const std::string& name,
                                         const PostgresDatabaseMaking& making)
{
    claim(name);
    const std::string quoted = postgres_identifier(name);
    std::string create = making.create.empty()
                             ? fmt::format("CREATE DATABASE {} TEMPLATE template0", quoted)
                             : with_database_name(making.create, quoted);
    if (connection_->server_version() < first_with_locale_provider) {
        create =
            without_sql_option(create, "LOCALE_PROVIDER"); // newer ones of pg_dump say it always
    }
    connection_->query(create);
    if (!making.owner.empty()) {
        connection_->query(fmt::format("ALTER DATABASE {} OWNER TO {}", quoted,
                                       postgres_identifier(making.owner)));
    }
}

std::vector<std::string> PostgresServerWork::set_properties(const std::string& name,
                                                            const PostgresDatabaseMaking& making)
{
    std::vector<std::string> failures;
    for (const std::string& statement : making.properties) {
        try {
            connection_->query(with_database_name(statement, postgres_identifier(name)));
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            failures.push_back(fmt::format("cannot set a property of the database ({}): {}",
                                           statement, error.what()));
        }
    }
    return failures;
}

/// An advisory lock of this session says that somebody is at work with a database of this name.
void PostgresServerWork::claim(const std::string& name)
{
    connection_->query(fmt::format("SELECT pg_advisory_lock({})", lock_of(postgres_literal(name))));
}

std::vector<std::string> PostgresServerWork::leftovers()
{
    // Advisory locks are a database's, but pg_locks shows those of all.
    const PostgresRows rows = connection_->query(fmt::format(
        "SELECT datname FROM pg_catalog.pg_database d WHERE datname ~ "
        "'^backstay_(scratch|old)_[0-9a-f]{{16}}$' AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks "
        "WHERE locktype = 'advisory' AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) "
        "= "
        "{}) AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datname = "
        "d.datname)",
        lock_of("d.datname")));
    const std::set<std::string> names = first_column(rows);
    return {names.begin(), names.end()};
}

void PostgresServerWork::drop_leftover(const std::string& name)
{
    connection_->query(fmt::format("DROP DATABASE IF EXISTS {}", postgres_identifier(name)));
}

/// New ones are refused; those that are there are ended.
void PostgresServerWork::end_sessions(const std::string& database)
{
    connection_->query(
        fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS false", postgres_identifier(database)));
    const std::string theirs =
        fmt::format("FROM pg_catalog.pg_stat_activity WHERE datname = {} AND pid <> "
                    "pg_backend_pid()",
                    postgres_literal(database));
    connection_->query("SELECT pg_terminate_backend(pid) " + theirs);
    for (int look = 0; look < times_to_look; ++look) {
        if (connection_->value("SELECT count(*) " + theirs) == "0") {
            return;
        }
        std::this_thread::sleep_for(between_looks);
    }
}

std::vector<std::string> PostgresServerWork::switch_databases(const std::vector<Switch>& switches)
{
    const std::set<std::string> there = databases();
    std::vector<std::string> replaced; ///< by their own names
    std::vector<std::string> old;
    for (const Switch& one : switches) {
        if (there.count(one.name) > 0) {
            replaced.push_back(one.name);
        }
    }
    try {
        for (const std::string& name : replaced) {
            end_sessions(name);
        }
        connection_->query("BEGIN");
        const auto rename = [this](const std::string& from, const std::string& to) {
            connection_->query(fmt::format("ALTER DATABASE {} RENAME TO {}",
                                           postgres_identifier(from), postgres_identifier(to)));
        };
        for (const std::string& name : replaced) {
            old.push_back(random_database_name(PostgresInterim::old));
            claim(old.back());
            rename(name, old.back());
        }
        for (const Switch& one : switches) {
            rename(one.scratch, one.name);
        }
        connection_->query("COMMIT");
    } catch (...) {
        try {
            connection_->query("ROLLBACK");
            for (const std::string& name : replaced) {
                connection_->query(fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS true",
                                               postgres_identifier(name)));
            }
        } catch (const Error&) {
            // The connection is gone; the first failure says why.
        }
        throw;
    }
    return old;
}

void PostgresServerWork::drop_database(const std::string& name)
{
    connection_->query(
        fmt::format("DROP DATABASE IF EXISTS {} WITH (FORCE)", postgres_identifier(name)));
}

} // namespace backstay::core
