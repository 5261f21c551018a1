#include "postgres/server.hpp"

#include "base/error.hpp"

namespace backstay::core
{

std::unique_ptr<PostgresConnection>
connect_to_postgres_server(const std::string& conninfo, const std::vector<std::string>& databases,
                           const std::stop_token& stop)
{
    for (std::size_t i = 0;; ++i) {
        PostgresConnectOptions where;
        where.conninfo = conninfo;
        where.database = databases.at(i);
        try {
            return std::make_unique<PostgresConnection>(where, stop);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::not_found || i + 1 == databases.size()) {
                throw;
            }
        }
    }
}

} // namespace backstay::core
