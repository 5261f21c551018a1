#pragma once

#include "postgres/connection.hpp"
#include "target/postgres/database_making.hpp"
#include "target/postgres/roles.hpp"

#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace backstay::core
{

/// What databases are called that a restore prepares, and those that it has replaced.
enum class PostgresInterim : std::uint8_t { scratch, old };
/// One that nobody has.
std::string random_database_name(PostgresInterim what);

/// What a restore does on the server as a whole, beside pg_restore. One thread at a time.
class PostgresServerWork
{
public:
    /// `entrances`: databases to connect to, the first that is there.
    PostgresServerWork(std::string conninfo, const std::vector<std::string>& entrances,
                       const std::stop_token& stop);

    std::set<std::string> databases();
    std::set<std::string> roles();
    std::set<std::string> tablespaces();
    /// Tables, views and sequences of a database, and its schemas.
    struct Objects {
        std::set<std::pair<std::string, std::string>> relations;
        std::set<std::string> schemas;
    };
    Objects objects(const std::string& database, const std::stop_token& stop);

    /// Nothing of a user's is in it.
    bool is_empty(const std::string& database, const std::stop_token& stop);

    void make_roles(const PostgresRolePlan& plan);
    /// Under a name of random_database_name(), which is ours as long as this object lives.
    void create_database(const std::string& name, const PostgresDatabaseMaking& making);
    /// Databases with such names that are nobody's: of restores that were killed.
    std::vector<std::string> leftovers();
    /// Drops one unless somebody is connected to it.
    void drop_leftover(const std::string& name);
    /// Settings, rights and comments, each by itself; returns what could not be done.
    std::vector<std::string> set_properties(const std::string& name,
                                            const PostgresDatabaseMaking& making);

    struct Switch {
        std::string scratch;
        std::string name;
    };
    /// Gives databases their names, all in one transaction. Those that have them get others,
    /// which are returned; who is connected to them is disconnected. Throws: nothing has changed.
    std::vector<std::string> switch_databases(const std::vector<Switch>& switches);
    void drop_database(const std::string& name);

private:
    void claim(const std::string& name);
    void rename_busy(const std::string& from, const std::string& to);

    std::string conninfo_;
    std::vector<std::string> entrances_;
    std::unique_ptr<PostgresConnection> helper_; ///< ends sessions while connection_ waits for it
    std::unique_ptr<PostgresConnection> connection_;
};

} // namespace backstay::core
