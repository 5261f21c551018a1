#include "postgres/archive_names.hpp"

#include <fmt/core.h>

namespace backstay::core
{

namespace
{

bool must_be_escaped(char c)
{
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '/' || c == '%' || c == '.' || c == '#';
}

int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

} // namespace

std::string escape_postgres_name(std::string_view name)
{
    std::string out;
    for (const char c : name) {
        if (must_be_escaped(c)) {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        } else {
            out += c;
        }
    }
    return out;
}

std::optional<std::string> unescape_postgres_name(std::string_view escaped)
{
    std::string out;
    for (std::size_t i = 0; i < escaped.size(); ++i) {
        if (escaped[i] != '%') {
            if (must_be_escaped(escaped[i])) {
                return std::nullopt;
            }
            out += escaped[i];
            continue;
        }
        if (escaped.size() - i < 3) {
            return std::nullopt;
        }
        const int high = digit_value(escaped[i + 1]);
        const int low = digit_value(escaped[i + 2]);
        if (high < 0 || low < 0 || !must_be_escaped(static_cast<char>(high * 16 + low))) {
            return std::nullopt;
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::string join_postgres_names(std::string_view schema, std::string_view table)
{
    return escape_postgres_name(schema) + "." + escape_postgres_name(table);
}

std::optional<PostgresTableName> split_postgres_names(std::string_view joined)
{
    const std::size_t dot = joined.find('.');
    if (dot == std::string_view::npos) {
        return std::nullopt;
    }
    const auto schema = unescape_postgres_name(joined.substr(0, dot));
    const auto table = unescape_postgres_name(joined.substr(dot + 1));
    return schema && table ? std::optional(PostgresTableName{*schema, *table}) : std::nullopt;
}

} // namespace backstay::core
