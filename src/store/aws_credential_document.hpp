#pragma once

#include "store/aws_credentials.hpp"

#include <string_view>

namespace backstay::core
{

/// What a `credential_process` writes: JSON of Version 1. `origin` names the giver, here and below,
/// in errors and in what is returned. Throws Error{invalid} for anything else; the text is never
/// repeated.
AwsCredentials parse_process_credentials(std::string_view json, const std::string& origin);

/// What a container's or instance's metadata service says.
AwsCredentials parse_metadata_credentials(std::string_view json, const std::string& origin);

/// The reply of the token service to AssumeRole and AssumeRoleWithWebIdentity.
AwsCredentials parse_sts_credentials(std::string_view xml, const std::string& origin);

} // namespace backstay::core
