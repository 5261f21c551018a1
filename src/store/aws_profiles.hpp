#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// A variable of the environment; empty where it is not set or has no value.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// That of this process.
Environment process_environment();

/// What one profile says: names in lower case; those of a nested block as "s3.addressing_style".
using AwsProfile = std::map<std::string, std::string>;

/// The profiles of AWS's shared files. Immutable once read.
class AwsProfiles
{
public:
    /// The files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name, else ~/.aws/config and
    /// ~/.aws/credentials; a file that is not there is empty. The second wins where both say
    /// something. Throws Error{denied, invalid} naming the file.
    static AwsProfiles load(const Environment& environment);

    /// Reads a config file ("[profile NAME]", "[services NAME]") or a credentials file ("[NAME]").
    /// Lines that are neither section nor setting are passed over, as AWS's own programs do.
    void add_config(std::string_view text);
    void add_credentials(std::string_view text);

    /// Null if there is no such profile.
    const AwsProfile* find(const std::string& name) const;

    /// Of a profile; empty if either is not there or has no value.
    std::optional<std::string> setting(const std::string& profile, const std::string& name) const;

    /// Of the section "[services NAME]" that the profile names by "services = NAME"; empty if it
    /// names none. Throws Error{invalid} if there is no such section.
    std::optional<std::string> service_setting(const std::string& profile,
                                               const std::string& name) const;

private:
    std::map<std::string, AwsProfile> profiles_;
    std::map<std::string, AwsProfile> services_;
};

/// `wanted`, else AWS_PROFILE, else AWS_DEFAULT_PROFILE, else "default".
std::string aws_profile_name(const std::string& wanted, const Environment& environment);

/// What environment and profile say about the service's place: each empty where they say nothing.
struct AwsSettings {
    std::string region;
    std::string s3_endpoint;
    std::string sts_endpoint;
    std::string addressing_style; ///< "path", "virtual", "auto"
    std::string ca_bundle;
    bool fips = false;
    bool dualstack = false;
};

/// The environment wins over the profile. AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, in either, leaves
/// both endpoints empty. Throws as AwsProfiles::load() and service_setting().
AwsSettings read_aws_settings(const std::string& profile, const Environment& environment);

} // namespace backstay::core
