#pragma once

#include "net/http_client_options.hpp"
#include "store/aws_credentials.hpp"
#include "store/aws_profiles.hpp"
#include "store/s3_endpoint.hpp"

#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// Which versions of objects are read, in a bucket that keeps them.
enum class S3VersionChoice {
    current,
    newest, ///< also behind a delete marker
    oldest, ///< also behind what replaced it
};

/// How to reach a bucket. What is left empty comes from AWS's variables and the profile.
struct S3Options {
    std::string region;
    std::string profile;
    std::string endpoint; ///< http(s)://host[:port]; for s3:// alone, others carry it in the URI
    std::optional<S3Addressing> addressing;
    bool dualstack = false;
    bool fips = false;

    std::optional<AwsCredentials> credentials; ///< given by the caller
    bool anonymous = false;

    HttpClientOptions http; ///< without a CA file: AWS's setting, else the system's

    bool requester_pays = false;
    std::string bucket_owner;  ///< account that must own the bucket; empty: any
    std::string storage_class; ///< of large cold objects; empty: the bucket's
    std::string encryption;    ///< "AES256", "aws:kms"; empty: the bucket's
    std::string kms_key;

    std::string lock_mode;       ///< Object Lock: "GOVERNANCE", "COMPLIANCE"; empty: the bucket's
    std::uint32_t lock_days = 0; ///< from an object's creation on

    S3VersionChoice versions = S3VersionChoice::current;
    std::vector<std::string> always_current; ///< beginnings of keys that are read as they are now

    std::uint32_t connections = 8;                ///< that the store's user had better open
    std::uint64_t largest_single_put = 128 * MiB; ///< more is stored in parts
    std::uint64_t usual_part = 32 * MiB;          ///< larger where there would be too many

    Environment environment = process_environment();
    const Clock* clock = &system_clock(); ///< must outlive the store
};

} // namespace backstay::core
