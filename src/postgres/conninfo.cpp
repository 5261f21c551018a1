#include "postgres/conninfo.hpp"

#include "base/error.hpp"

#include <fmt/core.h>
#include <libpq-fe.h>
#include <memory>
#include <string_view>

namespace backstay::core
{

namespace
{

struct FreeOptions {
    void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using ConninfoOptions = std::unique_ptr<PQconninfoOption, FreeOptions>;

struct FreeText {
    void operator()(char* text) const noexcept { PQfreemem(text); }
};

ConninfoOptions parse_conninfo(const std::string& conninfo)
{
    char* raw = nullptr;
    ConninfoOptions options(PQconninfoParse(conninfo.c_str(), &raw));
    const std::unique_ptr<char, FreeText> message(raw);
    if (!options) {
        // libpq's message may repeat part of the text, which may hold a password.
        throw Error(ErrorCode::invalid,
                    "this is no connection string: give \"host=… port=… user=… dbname=…\" or "
                    "postgresql://user@host:port/database");
    }
    return options;
}

std::string given(const PQconninfoOption* options, std::string_view keyword)
{
    for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
        if (keyword == option->keyword) {
            return option->val != nullptr ? option->val : "";
        }
    }
    return {};
}

} // namespace

void check_postgres_conninfo(const std::string& conninfo)
{
    const ConninfoOptions options = parse_conninfo(conninfo);
    for (const char* secret : {"password", "sslpassword"}) {
        if (!given(options.get(), secret).empty()) {
            throw Error(ErrorCode::invalid,
                        fmt::format("the connection string holds a {}, which others could see: put "
                                    "it into ~/.pgpass (or the file that passfile= or PGPASSFILE "
                                    "names), into PGPASSWORD, or into a service file",
                                    secret));
        }
    }
}

std::string postgres_server_name(const std::string& conninfo)
{
    const ConninfoOptions options = parse_conninfo(conninfo);
    std::string host = given(options.get(), "host");
    if (host.empty()) {
        host = given(options.get(), "hostaddr");
    }
    const std::string port = given(options.get(), "port");
    const std::string service = given(options.get(), "service");
    std::string name = !host.empty() ? host : !service.empty() ? "service " + service : "local";
    if (!port.empty()) {
        name += ":" + port;
    }
    return name;
}

} // namespace backstay::core
