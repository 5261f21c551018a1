#pragma once

#include "base/error.hpp"

#include <string>

struct pg_conn;
struct pg_result;

namespace backstay::core
{

/// A text of libpq or of a server in one line.
std::string postgres_text_line(const char* text);

/// One of the result's PG_DIAG_… fields; "" if the server did not give it.
std::string postgres_error_field(const pg_result* result, int field);

/// What a server refused a command with: its message, detail, hint and SQLSTATE. The codes:
/// PostgresConnection.
Error postgres_refusal(const pg_result* result, const std::string& server);

/// What a connection that could not be made was refused with, and what to do about it.
Error postgres_connect_refusal(const pg_conn* connection, const std::string& server);

} // namespace backstay::core
