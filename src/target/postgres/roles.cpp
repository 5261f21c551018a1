#include "target/postgres/roles.hpp"

#include "postgres/sql_text.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

bool begins_with(const std::vector<SqlToken>& tokens, const std::vector<std::string_view>& words)
{
    return tokens.size() > words.size() &&
           std::equal(words.begin(), words.end(), tokens.begin(),
                      [](std::string_view word, const SqlToken& token) { return token.is(word); });
}

/// The name behind a statement's first words; "" if it is another statement.
std::string subject(const std::vector<SqlToken>& tokens, const std::vector<std::string_view>& words)
{
    return begins_with(tokens, words) && tokens[words.size()].is_identifier()
               ? tokens[words.size()].value
               : std::string();
}

std::vector<SqlToken>::const_iterator find_word(const std::vector<SqlToken>& tokens,
                                                std::string_view word)
{
    return std::find_if(tokens.begin(), tokens.end(),
                        [word](const SqlToken& token) { return token.is(word); });
}

/// `GRANT "group" TO "member" …`: the member; "" if it is no membership.
std::string member_of(const std::vector<SqlToken>& tokens)
{
    const bool is_membership = tokens.size() > 3 && tokens[0].is("GRANT") &&
                               tokens[1].is_identifier() && tokens[2].is("TO") &&
                               tokens[3].is_identifier();
    return is_membership ? tokens[3].value : std::string();
}

/// Who granted it there may not grant it here: without `GRANTED BY "somebody"`.
std::string without_grantor(std::string_view statement, const std::vector<SqlToken>& tokens)
{
    const auto granted = find_word(tokens, "GRANTED");
    if (granted == tokens.end()) {
        return std::string(statement);
    }
    const auto at = static_cast<std::size_t>(granted->text.data() - statement.data());
    return std::string(statement.substr(0, at)) + ";";
}

} // namespace

PostgresRolePlan plan_postgres_roles(std::string_view globals,
                                     const std::set<std::string>& existing)
{
    PostgresRolePlan plan;
    std::set<std::string> created;
    for (const std::string_view statement : split_sql(globals)) {
        const std::vector<SqlToken> tokens = sql_tokens(statement);
        if (begins_with(tokens, {"SET"})) {
            plan.statements.emplace_back(statement);
            continue;
        }
        if (const std::string role = subject(tokens, {"CREATE", "ROLE"}); !role.empty()) {
            if (existing.count(role) == 0) {
                created.insert(role);
                plan.created.push_back(role);
                plan.statements.emplace_back(statement);
            }
            continue;
        }
        const std::string altered = subject(tokens, {"ALTER", "ROLE"});
        const std::string commented = subject(tokens, {"COMMENT", "ON", "ROLE"});
        const std::string member = member_of(tokens);
        const std::string& concerned = !altered.empty()     ? altered
                                       : !commented.empty() ? commented
                                                            : member;
        if (created.count(concerned) > 0) {
            plan.statements.push_back(member.empty() ? std::string(statement)
                                                     : without_grantor(statement, tokens));
        }
    }
    if (plan.created.empty()) {
        plan.statements.clear();
    }
    return plan;
}

} // namespace backstay::core
