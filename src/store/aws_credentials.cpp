#include "store/aws_credentials.hpp"

#include "base/error.hpp"
#include "base/secret.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

void wipe_text(std::string& text)
{
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

bool is_control(char c)
{
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool is_space(char c)
{
    return c == ' ' || is_control(c);
}

} // namespace

AwsCredentials::~AwsCredentials()
{
    wipe_text(secret_key);
    wipe_text(session_token);
}

void demand_clean_key(std::string_view key, const std::string& name)
{
    std::string_view fault;
    if (!key.empty() && is_space(key.back())) {
        fault = "ends with a blank or line break";
    } else if (!key.empty() && is_space(key.front())) {
        fault = "begins with a blank or line break";
    } else if (std::any_of(key.begin(), key.end(), is_control)) {
        fault = "has a control character in it";
    } else {
        return;
    }
    throw Error(ErrorCode::invalid, fmt::format("{} {}: remove it", name, fault), name);
}

} // namespace backstay::core
