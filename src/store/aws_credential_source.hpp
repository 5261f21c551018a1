#pragma once

#include "store/aws_credential_chain.hpp"

#include <memory>

namespace backstay::core
{

/// Credentials that are kept fresh for all who sign. Looked for when first asked; again before they
/// expire: five minutes, or a fifth of their life if that is less. One thread looks, the others go
/// on with what is still valid, or wait for that one's result, its failure included. A failed
/// renewal is tried again after a minute as long as the old ones are valid. Thread-safe.
class AwsCredentialSource
{
public:
    explicit AwsCredentialSource(AwsCredentialOptions options);
    ~AwsCredentialSource();

    /// Throws as find_aws_credentials(); Error{cancelled} while it waits.
    std::shared_ptr<const AwsCredentials> get(const std::stop_token& stop);

    /// The server calls them expired: the next get() looks anew, unless somebody already has.
    void reject(const AwsCredentials& used);

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
