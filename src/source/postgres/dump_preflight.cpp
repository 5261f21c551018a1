#include "source/postgres/dump_preflight.hpp"

#include "base/error.hpp"
#include "postgres/connection.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/server.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fnmatch.h>

namespace backstay::core
{

namespace
{

constexpr int oldest_server = 130000;

constexpr const char* list_databases =
    "SELECT datname, CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) "
    "ELSE 0 END, has_database_privilege(oid, 'CONNECT'), datallowconn, datistemplate, "
    "pg_encoding_to_char(encoding) FROM pg_catalog.pg_database ORDER BY 2 DESC, 1";

/// What pg_dump has to read (not what extensions made), but this user may not.
constexpr const char* list_unreadable =
    "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON "
    "n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname <> "
    "'information_schema' AND n.nspname !~ '^pg_' AND NOT (CASE c.relkind WHEN 'S' THEN "
    "has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END) AND "
    "NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND "
    "d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2 LIMIT 4";

/// The database that the user names, else one that is there on every server.
std::vector<std::string> entrances(const std::string& conninfo)
{
    return names_postgres_database(conninfo)
               ? std::vector<std::string>{""}
               : std::vector<std::string>{"postgres", "template1", ""};
}

bool contains(const std::vector<std::string>& names, const std::string& name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool matches_any(const std::vector<std::string>& patterns, const std::string& name)
{
    return std::any_of(patterns.begin(), patterns.end(), [&name](const std::string& pattern) {
        return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
    });
}

class Preflight
{
public:
    Preflight(const PostgresDumpOptions& options, const std::stop_token& stop)
        : options_(options), stop_(stop), connection_(connect_to_postgres_server(
                                              options.conninfo, entrances(options.conninfo), stop))
    {
    }

    PostgresDumpPlan run()
    {
        check_server();
        plan_.dump =
            find_postgres_program("pg_dump", options_.program_folder, plan_.server_major, stop_);
        plan_.dump_globals =
            find_postgres_program("pg_dumpall", options_.program_folder, plan_.server_major, stop_);
        choose_databases();
        check_rights();
        return std::move(plan_);
    }

private:
    void check_server()
    {
        const int version = connection_->server_version();
        plan_.server_version = connection_->parameter("server_version");
        plan_.server_major = version / 10000;
        if (version < oldest_server) {
            throw Error(ErrorCode::unsupported,
                        fmt::format("the server is PostgreSQL {}: 13 and newer are supported",
                                    plan_.server_version),
                        connection_->server_name());
        }
    }

    void choose_databases()
    {
        const PostgresRows rows = connection_->query(list_databases);
        std::vector<std::string> names;
        for (int row = 0; row < rows.rows(); ++row) {
            const std::string name(rows.text(row, 0));
            const bool takes_connections = rows.text(row, 3) == "t";
            const bool is_template = rows.text(row, 4) == "t";
            names.push_back(name);
            const bool wanted = options_.databases.empty() ? takes_connections && !is_template
                                                           : contains(options_.databases, name);
            if (!wanted || matches_any(options_.exclude_databases, name)) {
                continue;
            }
            if (rows.text(row, 2) != "t" || !takes_connections) {
                throw Error(ErrorCode::denied,
                            fmt::format("user '{}' may not connect to database '{}': grant it "
                                        "CONNECT, or leave the database out",
                                        connection_->user(), name),
                            connection_->server_name());
            }
            PostgresDatabase database{name, 0, std::string(rows.text(row, 5))};
            const std::string_view bytes = rows.text(row, 1);
            std::from_chars(bytes.data(), bytes.data() + bytes.size(), database.bytes);
            plan_.databases.push_back(std::move(database));
        }
        for (const std::string& wanted : options_.databases) {
            if (!contains(names, wanted)) {
                throw Error(ErrorCode::not_found,
                            fmt::format("there is no database '{}' on this server; there are: {}",
                                        wanted, fmt::join(names, ", ")),
                            connection_->server_name());
            }
        }
        if (plan_.databases.empty()) {
            throw Error(ErrorCode::not_found, "no database is left to save",
                        connection_->server_name());
        }
    }

    void check_rights()
    {
        const bool readable =
            connection_->value("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')") ==
            "t";
        plan_.role_passwords = options_.role_passwords && readable;
        plan_.passwords_denied = options_.role_passwords && !readable;
        const bool some_left_out = !options_.exclude_schemas.empty() ||
                                   !options_.exclude_tables.empty() ||
                                   !options_.exclude_table_data.empty();
        if (connection_->parameter("is_superuser") == "on" || some_left_out) {
            return; // what pg_dump may not read it says itself
        }
        for (const PostgresDatabase& database : plan_.databases) {
            check_tables(database.name);
        }
    }

    void check_tables(const std::string& database)
    {
        PostgresConnectOptions where;
        where.conninfo = options_.conninfo;
        where.database = database;
        PostgresConnection connection(where, stop_);
        const PostgresRows rows = connection.query(list_unreadable);
        if (rows.rows() == 0) {
            return;
        }
        std::string names;
        for (int row = 0; row < std::min(rows.rows(), 3); ++row) {
            names +=
                fmt::format("{}{}.{}", row > 0 ? ", " : "", rows.text(row, 0), rows.text(row, 1));
        }
        throw Error(ErrorCode::denied,
                    fmt::format("user '{}' may not read {}{} in database '{}': grant it "
                                "pg_read_all_data, or leave them out",
                                connection.user(), names, rows.rows() > 3 ? " and more" : "",
                                database),
                    connection.server_name());
    }

    const PostgresDumpOptions& options_;
    const std::stop_token& stop_;
    std::unique_ptr<PostgresConnection> connection_;
    PostgresDumpPlan plan_;
};

} // namespace

bool has_postgres_database(const PostgresDumpOptions& options, const std::string& name,
                           const std::stop_token& stop)
{
    return connect_to_postgres_server(options.conninfo, entrances(options.conninfo), stop)
               ->query("SELECT FROM pg_catalog.pg_database WHERE datname = $1", {name})
               .rows() > 0;
}

PostgresDumpPlan plan_postgres_dump(const PostgresDumpOptions& options, const std::stop_token& stop)
{
    check_postgres_conninfo(options.conninfo);
    return Preflight(options, stop).run();
}

} // namespace backstay::core
