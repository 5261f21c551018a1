#include "target/postgres/restore_options.hpp"

#include "base/error.hpp"

namespace backstay::core
{

namespace
{

std::string unquoted(const std::string& text)
{
    const bool quoted = text.size() > 1 && text.front() == '"' && text.back() == '"';
    return quoted ? text.substr(1, text.size() - 2) : text;
}

} // namespace

PostgresDatabaseMapping parse_postgres_mapping(const std::string& text)
{
    bool quoted = false;
    std::size_t equals = text.size();
    for (std::size_t i = 0; i < text.size() && equals == text.size(); ++i) {
        quoted = quoted != (text[i] == '"');
        equals = text[i] == '=' && !quoted ? i : equals;
    }
    PostgresDatabaseMapping mapping;
    mapping.from = unquoted(text.substr(0, equals));
    mapping.to = equals < text.size() ? unquoted(text.substr(equals + 1)) : mapping.from;
    if (mapping.from.empty() || mapping.to.empty()) {
        throw Error(ErrorCode::invalid, "a database is named by NAME, or NAME=NEW-NAME", text);
    }
    return mapping;
}

} // namespace backstay::core
