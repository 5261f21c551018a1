#include "postgres/sql_text.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

/// Behind the quote that closes the one at `at`; doubled ones stay inside.
std::size_t quote_end(std::string_view text, std::size_t at, bool backslashes)
{
    const char quote = text[at];
    for (std::size_t i = at + 1; i < text.size(); ++i) {
        if (backslashes && text[i] == '\\') {
            ++i;
        } else if (text[i] == quote) {
            if (i + 1 == text.size() || text[i + 1] != quote) {
                return i + 1;
            }
            ++i;
        }
    }
    return text.size();
}

/// Behind a literal between $tags$; empty if none begins at `at`.
std::optional<std::size_t> dollar_end(std::string_view text, std::size_t at)
{
    std::size_t tag_end = at + 1;
    while (tag_end < text.size() && text[tag_end] != '$' && is_word(text[tag_end])) {
        ++tag_end;
    }
    if (tag_end == text.size() || text[tag_end] != '$') {
        return std::nullopt;
    }
    const std::string_view tag = text.substr(at, tag_end + 1 - at);
    const std::size_t close = text.find(tag, tag_end + 1);
    return close == std::string_view::npos ? text.size() : close + tag.size();
}

std::string unquoted(std::string_view name)
{
    std::string out;
    const std::size_t end = name.size() > 1 && name.back() == '"' ? name.size() - 1 : name.size();
    for (std::size_t i = 1; i < end; ++i) {
        out += name[i];
        if (name[i] == '"') {
            ++i; // doubled
        }
    }
    return out;
}

/// The token that begins at `at`, which is no blank and no comment.
SqlToken token_at(std::string_view text, std::size_t at)
{
    const char c = text[at];
    if (c == '"') {
        const std::string_view token = text.substr(at, quote_end(text, at, false) - at);
        return {SqlToken::Kind::name, token, unquoted(token)};
    }
    if (c == '\'') {
        return {SqlToken::Kind::literal, text.substr(at, quote_end(text, at, false) - at), {}};
    }
    if ((c == 'E' || c == 'e') && at + 1 < text.size() && text[at + 1] == '\'') {
        return {SqlToken::Kind::literal, text.substr(at, quote_end(text, at + 1, true) - at), {}};
    }
    if (c == '$') {
        if (const auto end = dollar_end(text, at)) {
            return {SqlToken::Kind::literal, text.substr(at, *end - at), {}};
        }
    }
    if (!is_word(c)) {
        return {SqlToken::Kind::sign, text.substr(at, 1), {}};
    }
    std::size_t end = at;
    while (end < text.size() && is_word(text[end])) {
        ++end;
    }
    const std::string_view word = text.substr(at, end - at);
    return {SqlToken::Kind::word, word, std::string(word)};
}

/// Behind blanks and comments.
std::size_t skip_gap(std::string_view text, std::size_t at)
{
    while (at < text.size()) {
        if (is_blank(text[at])) {
            ++at;
        } else if (text.substr(at).starts_with("--")) {
            at = std::min(text.find('\n', at), text.size());
        } else {
            break;
        }
    }
    return at;
}

std::string quoted(std::string_view text, char quote)
{
    std::string result(1, quote);
    for (const char c : text) {
        result += c;
        if (c == quote) {
            result += quote;
        }
    }
    return result + quote;
}

} // namespace

std::string postgres_identifier(std::string_view name)
{
    return quoted(name, '"');
}

std::string postgres_literal(std::string_view text)
{
    return quoted(text, '\'');
}

std::vector<SqlToken> sql_tokens(std::string_view statement)
{
    std::vector<SqlToken> tokens;
    std::size_t at = skip_gap(statement, 0);
    while (at < statement.size()) {
        tokens.push_back(token_at(statement, at));
        at = skip_gap(statement, at + tokens.back().text.size());
    }
    return tokens;
}

std::vector<std::string_view> split_sql(std::string_view script)
{
    std::vector<std::string_view> statements;
    std::size_t at = skip_gap(script, 0);
    while (at < script.size()) {
        if (script[at] == '\\') {
            at = skip_gap(script, std::min(script.find('\n', at), script.size()));
            continue;
        }
        const std::size_t begin = at;
        bool ended = false;
        while (at < script.size() && !ended) {
            const SqlToken token = token_at(script, at);
            ended = token.text == ";";
            at += token.text.size();
            at = ended ? at : skip_gap(script, at);
        }
        statements.push_back(script.substr(begin, at - begin));
        at = skip_gap(script, at);
    }
    return statements;
}

std::string with_database_name(std::string_view statement, const std::string& quoted_name)
{
    const std::vector<SqlToken> tokens = sql_tokens(statement);
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
        if (tokens[i].is("DATABASE") && tokens[i + 1].is_identifier()) {
            const auto at = static_cast<std::size_t>(tokens[i + 1].text.data() - statement.data());
            std::string out(statement);
            return out.replace(at, tokens[i + 1].text.size(), quoted_name);
        }
    }
    return std::string(statement);
}

std::string without_sql_option(std::string_view statement, std::string_view keyword)
{
    const std::vector<SqlToken> tokens = sql_tokens(statement);
    for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
        if (tokens[i].is(keyword) && tokens[i + 1].text == "=") {
            const auto begin = static_cast<std::size_t>(tokens[i].text.data() - statement.data());
            const auto end = static_cast<std::size_t>(tokens[i + 2].text.data() +
                                                      tokens[i + 2].text.size() - statement.data());
            return std::string(statement).erase(begin, end - begin);
        }
    }
    return std::string(statement);
}

} // namespace backstay::core
