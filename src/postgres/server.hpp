#pragma once

#include "postgres/connection.hpp"

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// A connection for work on the server as a whole, to the first of `databases` that is there and
/// lets us in ("": the conninfo's own). Throws what connecting to the first one throws.
std::unique_ptr<PostgresConnection>
connect_to_postgres_server(const std::string& conninfo, const std::vector<std::string>& databases,
                           const std::stop_token& stop);

} // namespace backstay::core
