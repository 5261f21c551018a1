#include "target/postgres/server_work.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "postgres/server.hpp"
#include "postgres/sql_text.hpp"

#include <array>
#include <chrono>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr int first_with_locale_provider = 150000;
constexpr std::chrono::milliseconds between_looks{50}; ///< for sessions that hold a rename up

/// SQL for the number of the lock of a database's name, which is SQL, too.
std::string lock_of(const std::string& name)
{
    return fmt::format("('x' || substr(md5('backstay ' || {}), 1, 16))::bit(64)::bigint", name);
}

std::string rename(const std::string& from, const std::string& to)
{
    return fmt::format("ALTER DATABASE {} RENAME TO {}", postgres_identifier(from),
                       postgres_identifier(to));
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
    : conninfo_(std::move(conninfo)), entrances_(entrances),
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

/// While a database is renamed nobody gets into it, but who is there already must go first.
void PostgresServerWork::rename_busy(const std::string& from, const std::string& to)
{
    PostgresConnection& helper = *helper_;
    const std::string end_sessions =
        fmt::format("SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE "
                    "datname = {} AND pid <> pg_backend_pid()",
                    postgres_literal(from));
    connection_->start(rename(from, to));
    while (!connection_->wait_readable(between_looks)) {
        helper.query(end_sessions);
    }
    while (connection_->next_result() != PostgresConnection::Kind::none) {
    }
}

std::vector<std::string> PostgresServerWork::switch_databases(const std::vector<Switch>& switches)
{
    const std::set<std::string> there = databases();
    helper_ = connect_to_postgres_server(conninfo_, entrances_, {});
    std::vector<std::string> old;
    connection_->query("BEGIN");
    try {
        for (const Switch& one : switches) {
            if (there.count(one.name) > 0) {
                old.push_back(random_database_name(PostgresInterim::old));
                claim(old.back());
                rename_busy(one.name, old.back());
            }
            connection_->query(rename(one.scratch, one.name));
        }
        connection_->query("COMMIT");
    } catch (...) {
        // Without a COMMIT nothing has happened, whatever becomes of the connection.
        try {
            connection_->query("ROLLBACK");
        } catch (const Error&) {
            connection_.reset();
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
