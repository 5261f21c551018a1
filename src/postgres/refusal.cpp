#include "postgres/refusal.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <libpq-fe.h>
#include <string_view>

namespace backstay::core
{

namespace
{

ErrorCode code_of_sqlstate(std::string_view state)
{
    if (state.starts_with("28") || state == "42501") {
        return ErrorCode::denied;
    }
    if (state == "53300") {
        return ErrorCode::busy;
    }
    if (state == "3D000") {
        return ErrorCode::not_found;
    }
    if (state == "57P03") {
        return ErrorCode::unavailable;
    }
    return state == "55000" ? ErrorCode::conflict : ErrorCode::source;
}

/// Before a connection stands there is no SQLSTATE, only libpq's text.
ErrorCode code_of_refusal(const std::string& text, bool about_password)
{
    if (about_password || text.find("no pg_hba.conf entry") != std::string::npos ||
        text.find("permission denied") != std::string::npos ||
        text.find("must be superuser or replication role") != std::string::npos ||
        text.find("role \"") != std::string::npos) {
        return ErrorCode::denied;
    }
    if (text.find("too many clients") != std::string::npos ||
        text.find("number of requested standby connections") != std::string::npos ||
        text.find("remaining connection slots") != std::string::npos) {
        return ErrorCode::busy;
    }
    if (text.find("the database system is ") != std::string::npos) {
        return ErrorCode::unavailable; // starting up, in recovery, shutting down
    }
    if (text.find("database \"") != std::string::npos) {
        return ErrorCode::not_found;
    }
    return ErrorCode::source;
}

std::string advice_for(const pg_conn* connection, const std::string& text)
{
    if (PQconnectionNeedsPassword(connection) != 0) {
        return ": the server asks for a password: put it into ~/.pgpass (or the file that "
               "passfile= or PGPASSFILE names), or into PGPASSWORD";
    }
    if (text.find("number of requested standby connections") != std::string::npos) {
        return ": a physical backup takes two walsenders: raise max_wal_senders, or end others";
    }
    if (text.find("replication role") != std::string::npos ||
        text.find("permission denied to start WAL sender") != std::string::npos) {
        return ": grant it with ALTER ROLE … REPLICATION";
    }
    if (text.find("no pg_hba.conf entry for replication") != std::string::npos) {
        return ": pg_hba.conf needs a line whose database is the keyword replication";
    }
    return {};
}

} // namespace

std::string postgres_text_line(const char* text)
{
    std::string result = text != nullptr ? text : "";
    while (!result.empty() && (result.back() == '\n' || result.back() == ' ')) {
        result.pop_back();
    }
    std::replace(result.begin(), result.end(), '\n', ' ');
    return result;
}

std::string postgres_error_field(const pg_result* result, int field)
{
    return postgres_text_line(PQresultErrorField(result, field));
}

Error postgres_refusal(const pg_result* result, const std::string& server)
{
    const std::string state = postgres_error_field(result, PG_DIAG_SQLSTATE);
    std::string message = postgres_error_field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (message.empty()) {
        message = postgres_text_line(PQresultErrorMessage(result));
    }
    const std::string detail = postgres_error_field(result, PG_DIAG_MESSAGE_DETAIL);
    const std::string hint = postgres_error_field(result, PG_DIAG_MESSAGE_HINT);
    std::string text = "PostgreSQL said: " + message;
    if (!detail.empty()) {
        text += "; " + detail;
    }
    if (!hint.empty()) {
        text += "; " + hint;
    }
    if (!state.empty()) {
        text += fmt::format(" (SQLSTATE {})", state);
    }
    return Error(code_of_sqlstate(state), text, server);
}

Error postgres_connect_refusal(const pg_conn* connection, const std::string& server)
{
    const std::string text = postgres_text_line(PQerrorMessage(connection));
    const bool about_password =
        PQconnectionNeedsPassword(connection) != 0 || PQconnectionUsedPassword(connection) != 0;
    return Error(code_of_refusal(text, about_password),
                 "cannot connect: " + text + advice_for(connection, text), server);
}

} // namespace backstay::core
