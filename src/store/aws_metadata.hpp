#pragma once

#include "store/aws_credential_chain.hpp"

#include <optional>

namespace backstay::core
{

/// From the service that AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI names (ECS, EKS);
/// empty if neither is set. A full URI without TLS is taken only for this host and the two
/// addresses that AWS gives its containers: Error{invalid}. The authorization token is read anew
/// each time.
std::optional<AwsCredentials> container_credentials(const AwsCredentialOptions& options,
                                                    const std::stop_token& stop);

/// From an EC2 instance's metadata service, by IMDSv2 only; empty if it is switched off
/// (AWS_EC2_METADATA_DISABLED), if there is none (not EC2), or if the instance has no role.
std::optional<AwsCredentials> instance_credentials(const AwsCredentialOptions& options,
                                                   const std::stop_token& stop);

} // namespace backstay::core
