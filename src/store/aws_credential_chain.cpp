#include "store/aws_credential_chain.hpp"

#include "base/command_output.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "store/aws_credential_document.hpp"
#include "store/aws_metadata.hpp"
#include "store/aws_role.hpp"
#include "store/s3_endpoint.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

namespace backstay::core
{

namespace
{

constexpr std::size_t longest_role_chain = 8;
constexpr std::size_t largest_output = 64 * KiB;

/// One look for credentials: what all of its steps share.
class Search
{
public:
    Search(const AwsCredentialOptions& options, const std::stop_token& stop)
        : options_(options), stop_(stop),
          profile_(aws_profile_name(options.profile, options.environment))
    {
    }

    AwsCredentials run()
    {
        // A profile that was asked for by name is meant, whatever the environment holds.
        if (options_.profile.empty()) {
            if (auto found = from_environment()) {
                return *std::move(found);
            }
        }
        profiles_ = AwsProfiles::load(options_.environment);
        if (auto found = from_named_profile()) {
            return *std::move(found);
        }
        if (auto found = from_web_identity()) {
            return *std::move(found);
        }
        if (auto found = container_credentials(options_, stop_)) {
            return *std::move(found);
        }
        if (auto found = instance_credentials(options_, stop_)) {
            return *std::move(found);
        }
        throw Error(ErrorCode::denied,
                    fmt::format("there are no AWS credentials: not in the environment "
                                "(AWS_ACCESS_KEY_ID), not in the profile '{}', no web identity, no "
                                "container's or instance's role: give them, or ask for anonymous "
                                "access",
                                profile_));
    }

private:
    std::optional<std::string> variable(const std::string& name) const
    {
        return options_.environment(name);
    }

    std::optional<AwsCredentials> from_environment() const
    {
        const auto key = variable("AWS_ACCESS_KEY_ID");
        const auto secret = variable("AWS_SECRET_ACCESS_KEY");
        if (key.has_value() != secret.has_value()) {
            throw Error(ErrorCode::invalid, "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only "
                                            "one is set: set both or neither");
        }
        if (!key) {
            return std::nullopt;
        }
        AwsCredentials out(*key, *secret, variable("AWS_SESSION_TOKEN").value_or(""));
        demand_clean_key(out.access_key, "AWS_ACCESS_KEY_ID");
        demand_clean_key(out.secret_key, "AWS_SECRET_ACCESS_KEY");
        demand_clean_key(out.session_token, "AWS_SESSION_TOKEN");
        out.origin = "the environment";
        return out;
    }

    /// Empty if the profile is not there, or holds no credentials.
    std::optional<AwsCredentials> from_named_profile()
    {
        if (profiles_.find(profile_) != nullptr) {
            return from_profile(profile_);
        }
        if (!options_.profile.empty() || profile_ != "default") {
            throw Error(ErrorCode::invalid,
                        "there is no such profile in the AWS config and credentials files",
                        profile_);
        }
        return std::nullopt;
    }

    std::optional<AwsCredentials> from_profile(const std::string& name)
    {
        const bool seen = std::find(chain_.begin(), chain_.end(), name) != chain_.end();
        if (!seen && setting(name, "role_arn")) {
            return from_role(name);
        }
        if (auto found = keys_of(name)) {
            return found;
        }
        if (seen) {
            throw Error(ErrorCode::invalid,
                        "the profile's chain of source_profile comes back to it", name);
        }
        if (const auto command = setting(name, "credential_process")) {
            return from_process(*command, name);
        }
        if (setting(name, "sso_start_url") || setting(name, "sso_session")) {
            throw Error(ErrorCode::unsupported,
                        fmt::format("the profile needs a sign-on in a browser (SSO): give it "
                                    "credential_process = aws configure export-credentials "
                                    "--profile {} in another profile",
                                    name),
                        name);
        }
        return std::nullopt;
    }

    std::optional<AwsCredentials> keys_of(const std::string& name) const
    {
        const auto key = setting(name, "aws_access_key_id");
        const auto secret = setting(name, "aws_secret_access_key");
        if (key.has_value() != secret.has_value()) {
            throw Error(ErrorCode::invalid,
                        "the profile has only one of aws_access_key_id and aws_secret_access_key",
                        name);
        }
        if (!key) {
            return std::nullopt;
        }
        AwsCredentials out(*key, *secret, setting(name, "aws_session_token").value_or(""));
        out.origin = fmt::format("the profile '{}'", name);
        demand_clean_key(out.access_key, "aws_access_key_id of " + out.origin);
        demand_clean_key(out.secret_key, "aws_secret_access_key of " + out.origin);
        demand_clean_key(out.session_token, "aws_session_token of " + out.origin);
        return out;
    }

    AwsCredentials from_process(const std::string& command, const std::string& name) const
    {
        const std::string origin = fmt::format("the credential_process of the profile '{}'", name);
        Bytes output;
        try {
            output = run_for_output(split_words(command), largest_output, stop_,
                                    options_.process_patience);
        } catch (const Error& e) {
            if (e.code() == ErrorCode::cancelled) {
                throw;
            }
            throw Error(ErrorCode::denied, fmt::format("{} failed: {}", origin, e.what()), name);
        }
        AwsCredentials out = parse_process_credentials(as_text(output), origin);
        wipe(output);
        return out;
    }

    AwsCredentials from_role(const std::string& name)
    {
        if (setting(name, "mfa_serial")) {
            throw Error(ErrorCode::unsupported,
                        "the profile's role needs a one-time password (mfa_serial), which nobody "
                        "is there to type: use a role without it",
                        name);
        }
        if (chain_.size() == longest_role_chain) {
            throw Error(ErrorCode::invalid, "the profile's chain of source_profile is too long",
                        name);
        }
        chain_.push_back(name);
        const AwsRole role{*setting(name, "role_arn"),
                           setting(name, "role_session_name").value_or(""),
                           setting(name, "external_id").value_or(""),
                           setting(name, "duration_seconds").value_or("")};
        if (const auto file = setting(name, "web_identity_token_file")) {
            return assume_role_by_web_identity(role, *file, token_service(), options_.fetch,
                                               *options_.clock, stop_);
        }
        const AwsCredentials source = source_of(name);
        return assume_role(role, source, token_service(), options_.fetch, *options_.clock, stop_);
    }

    /// Who asks for the role.
    AwsCredentials source_of(const std::string& name)
    {
        const auto profile = setting(name, "source_profile");
        const auto kind = setting(name, "credential_source");
        if (profile.has_value() == kind.has_value()) {
            throw Error(ErrorCode::invalid,
                        "a profile with role_arn has one of source_profile and credential_source",
                        name);
        }
        auto found = profile ? from_source_profile(*profile, name) : from_kind(*kind, name);
        if (!found) {
            throw Error(ErrorCode::denied,
                        fmt::format("there are no credentials in '{}', from which the profile's "
                                    "role is to be assumed",
                                    profile ? *profile : *kind),
                        name);
        }
        return *std::move(found);
    }

    std::optional<AwsCredentials> from_source_profile(const std::string& source,
                                                      const std::string& name)
    {
        if (profiles_.find(source) == nullptr) {
            throw Error(
                ErrorCode::invalid,
                fmt::format("there is no profile '{}', which is its source_profile", source), name);
        }
        return from_profile(source);
    }

    std::optional<AwsCredentials> from_kind(const std::string& kind, const std::string& name) const
    {
        if (kind == "Environment") {
            return from_environment();
        }
        if (kind == "EcsContainer") {
            return container_credentials(options_, stop_);
        }
        if (kind == "Ec2InstanceMetadata") {
            return instance_credentials(options_, stop_);
        }
        throw Error(ErrorCode::invalid,
                    fmt::format("credential_source is Environment, EcsContainer or "
                                "Ec2InstanceMetadata, not '{}'",
                                kind),
                    name);
    }

    std::optional<AwsCredentials> from_web_identity() const
    {
        const auto file = variable("AWS_WEB_IDENTITY_TOKEN_FILE");
        const auto arn = variable("AWS_ROLE_ARN");
        if (!file || !arn) {
            return std::nullopt;
        }
        const AwsRole role{*arn, variable("AWS_ROLE_SESSION_NAME").value_or(""), {}, {}};
        return assume_role_by_web_identity(role, *file, token_service(), options_.fetch,
                                           *options_.clock, stop_);
    }

    AwsTokenService token_service() const
    {
        const AwsSettings settings = read_aws_settings(options_.profile, options_.environment);
        AwsTokenService out;
        out.region = options_.region.empty() ? settings.region : options_.region;
        if (out.region.empty()) {
            out.region = "us-east-1";
        }
        out.url = options_.sts_endpoint.empty() ? settings.sts_endpoint : options_.sts_endpoint;
        if (out.url.empty()) {
            out.url = sts_endpoint(out.region, settings.fips);
        }
        return out;
    }

    std::optional<std::string> setting(const std::string& profile, const char* name) const
    {
        return profiles_.setting(profile, name);
    }

    const AwsCredentialOptions& options_;
    const std::stop_token& stop_;
    std::string profile_;
    AwsProfiles profiles_;
    std::vector<std::string> chain_; ///< profiles whose roles are being assumed
};

} // namespace

AwsCredentials find_aws_credentials(const AwsCredentialOptions& options,
                                    const std::stop_token& stop)
{
    if (options.anonymous) {
        AwsCredentials out;
        out.origin = "anonymous access, as asked for";
        return out;
    }
    if (options.given) {
        AwsCredentials out = *options.given;
        demand_clean_key(out.access_key, "the access key given");
        demand_clean_key(out.secret_key, "the secret key given");
        demand_clean_key(out.session_token, "the session token given");
        out.origin = "the caller";
        return out;
    }
    return Search(options, stop).run();
}

} // namespace backstay::core
