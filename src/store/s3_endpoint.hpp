#pragma once

#include <string>
#include <string_view>

namespace backstay::core
{

/// What a repository's URI names: s3://bucket/prefix in AWS, s3+http(s)://host:port/bucket/prefix
/// elsewhere.
struct S3Location {
    std::string endpoint; ///< http(s)://host[:port]; empty: AWS
    std::string bucket;
    std::string prefix; ///< without a slash at either end; may be empty
};

/// Throws Error{invalid} with what is wrong, Error{unsupported} for access points and directory
/// buckets. Nothing in the prefix is decoded.
S3Location parse_s3_uri(std::string_view uri);

enum class S3Addressing {
    automatic,    ///< virtual hosts in AWS, but for dotted names under TLS; paths elsewhere
    path,         ///< https://host/bucket/key
    virtual_host, ///< https://bucket.host/key
};

struct S3EndpointOptions {
    std::string endpoint; ///< http(s)://host[:port][/base]; empty: AWS
    std::string region;   ///< empty: as the endpoint's name says, else us-east-1
    S3Addressing addressing = S3Addressing::automatic;
    bool dualstack = false; ///< AWS only
    bool fips = false;      ///< AWS only
};

/// Where the requests for one bucket go. Immutable value.
struct S3Endpoint {
    std::string region; ///< to sign for
    std::string bucket;
    std::string base_url; ///< of the bucket, without a slash at the end
    bool aws = true;      ///< a host of Amazon's
    bool virtual_host = true;

    /// `query`, if any, as it is to be sent: encoded.
    std::string bucket_url(std::string_view query = {}) const;
    /// `key` is encoded here. Requires: it is not empty.
    std::string object_url(std::string_view key, std::string_view query = {}) const;
};

/// Throws Error{invalid} (a name, region or combination that cannot be), Error{unsupported}. After
/// a redirect it is called again with the region that the server named.
S3Endpoint resolve_s3_endpoint(const std::string& bucket, const S3EndpointOptions& options);

/// A group of AWS regions with accounts and names of their own.
struct AwsPartition {
    std::string_view name;       ///< "aws", "aws-cn", "aws-us-gov"
    std::string_view dns_suffix; ///< "amazonaws.com"
    bool dualstack = false;
    bool fips = false;
};
const AwsPartition& aws_partition_of(std::string_view region);

/// Whether it may be a region's name, and so stand in a host's.
bool is_region_name(std::string_view text);

/// The region in a host of Amazon's: s3.eu-west-1.amazonaws.com, s3-eu-west-1.amazonaws.com,
/// s3.dualstack.eu-west-1.amazonaws.com; empty if there is none.
std::string aws_region_in_host(std::string_view host);

/// https://sts.REGION.SUFFIX; Error{invalid} for a region that is no name.
std::string sts_endpoint(const std::string& region, bool fips);

} // namespace backstay::core
