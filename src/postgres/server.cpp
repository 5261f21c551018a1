#include "postgres/server.hpp"

#include "base/error.hpp"

#include <optional>

namespace backstay::core
{

std::unique_ptr<PostgresConnection>
connect_to_postgres_server(const std::string& conninfo, const std::vector<std::string>& databases,
                           const std::stop_token& stop)
{
    std::optional<Error> first;
    for (const std::string& database : databases) {
        PostgresConnectOptions where;
        where.conninfo = conninfo;
        where.database = database;
        try {
            return std::make_unique<PostgresConnection>(where, stop);
        } catch (const Error& error) {
            // A server that refuses one database (libpq does not say why) may let us into another.
            if (error.code() != ErrorCode::not_found && error.code() != ErrorCode::denied) {
                throw;
            }
            if (!first) {
                first = error;
            }
        }
    }
    throw Error(*first);
}

} // namespace backstay::core
