#pragma once

#include "store/aws_credential_chain.hpp"

#include <string>

namespace backstay::core
{

/// A role to take on, as a profile or the environment names it.
struct AwsRole {
    std::string arn;
    std::string session_name; ///< empty: made from the time
    std::string external_id;
    std::string duration_seconds; ///< empty: the service's own
};

/// The token service to ask.
struct AwsTokenService {
    std::string url;
    std::string region;
};

/// AssumeRole, signed by `source`.
AwsCredentials assume_role(const AwsRole& role, const AwsCredentials& source,
                           const AwsTokenService& service, const HttpFetch& fetch,
                           const Clock& clock, const std::stop_token& stop);

/// AssumeRoleWithWebIdentity: the token that is in `token_file` now stands for a signature.
AwsCredentials assume_role_by_web_identity(const AwsRole& role, const std::string& token_file,
                                           const AwsTokenService& service, const HttpFetch& fetch,
                                           const Clock& clock, const std::stop_token& stop);

} // namespace backstay::core
