#pragma once

#include "base/clock.hpp"
#include "net/http_reply.hpp"
#include "net/http_request.hpp"
#include "store/aws_credentials.hpp"
#include "store/aws_profiles.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// Sends a request, as HttpClient::send() does. Throws as that does.
using HttpFetch = std::function<HttpReply(const HttpRequest&, const std::stop_token&)>;

struct AwsCredentialOptions {
    std::optional<AwsCredentials> given; ///< by the caller: nothing else is asked
    bool anonymous = false;              ///< requests go out unsigned: nothing is asked
    /// A profile asked for by name goes before the environment's keys, and must exist.
    std::string profile;
    std::string region;       ///< of the token service; empty: environment, profile, us-east-1
    std::string sts_endpoint; ///< empty: environment, profile, that of the region
    Environment environment = process_environment();
    HttpFetch fetch; ///< required unless keys are given or access is anonymous
    std::chrono::milliseconds process_patience{60'000}; ///< with a credential_process
    const Clock* clock = &system_clock(); ///< must live as long as whoever is given it
};

/// Looks for credentials in AWS's order: given or anonymous; AWS_ACCESS_KEY_ID and its like; the
/// profile (role_arn with source_profile, credential_source or web_identity_token_file; keys;
/// credential_process); web identity by environment; the container's service; the instance's
/// (IMDSv2 only). A place that is not there is passed over, one that is there and broken is an
/// error.
///
/// Throws Error{denied} if there are none, saying where it looked; {invalid} for settings that
/// cannot be; {unsupported} for profiles that need a person (MFA, SSO); {unavailable} if a service
/// may answer later; {cancelled}. Never a secret in a text. Thread-safe.
AwsCredentials find_aws_credentials(const AwsCredentialOptions& options,
                                    const std::stop_token& stop);

} // namespace backstay::core
