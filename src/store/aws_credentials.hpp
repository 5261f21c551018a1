#pragma once

#include "base/clock.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// An access key as AWS gives it. Its secret parts are wiped when it goes. Without an access key
/// it is anonymous: requests go out unsigned.
struct AwsCredentials {
    std::string access_key;
    std::string secret_key;
    std::string session_token;           ///< empty: none
    std::optional<Timestamp> expiration; ///< empty: never
    std::string origin;                  ///< where it is from, in words that may be shown

    AwsCredentials() = default;
    AwsCredentials(std::string key, std::string secret, std::string token = {})
        : access_key(std::move(key)), secret_key(std::move(secret)), session_token(std::move(token))
    {
    }
    AwsCredentials(const AwsCredentials&) = default;
    AwsCredentials(AwsCredentials&&) noexcept = default;
    AwsCredentials& operator=(const AwsCredentials&) = default;
    AwsCredentials& operator=(AwsCredentials&&) noexcept = default;
    ~AwsCredentials();

    bool anonymous() const { return access_key.empty(); }
};

/// Refuses what slipped into a key on its way from a file or form: blanks and line ends around it,
/// control characters. `name` is what holds the key, and all of it that the text shows. Throws
/// Error{invalid}.
void demand_clean_key(std::string_view key, const std::string& name);

} // namespace backstay::core
