#include "store/s3_endpoint.hpp"

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "store/http_url.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <fmt/core.h>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::string_view default_region = "us-east-1";
constexpr std::size_t longest_prefix = 400; // a key has 1024 bytes at most, ours some 100

[[noreturn]] void refuse(const std::string& why, std::string_view what,
                         ErrorCode code = ErrorCode::invalid)
{
    throw Error(code, why, std::string(what));
}

bool is_small_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_alphanumeric(char c)
{
    return is_small_alphanumeric(c) || (c >= 'A' && c <= 'Z');
}

// --- Names --------------------------------------------------------------------------------------

/// What needs another protocol than that of a plain bucket.
void refuse_special_buckets(std::string_view bucket)
{
    if (bucket.starts_with("arn:") || bucket.ends_with(".mrap")) {
        refuse("access points and their ARNs are not supported: name the bucket itself, or the "
               "access point's alias",
               bucket, ErrorCode::unsupported);
    }
    if (bucket.ends_with("--x-s3")) {
        refuse("directory buckets (S3 Express) are not supported: use a general purpose bucket",
               bucket, ErrorCode::unsupported);
    }
}

bool is_aws_bucket(std::string_view bucket)
{
    const bool letters = std::all_of(bucket.begin(), bucket.end(), [](char c) {
        return is_small_alphanumeric(c) || c == '-' || c == '.';
    });
    return letters && bucket.size() >= 3 && bucket.size() <= 63 &&
           is_small_alphanumeric(bucket.front()) && is_small_alphanumeric(bucket.back()) &&
           bucket.find("..") == std::string_view::npos && !is_ip_address(bucket);
}

/// Other servers, and AWS before 2018, take more.
bool is_lax_bucket(std::string_view bucket)
{
    const bool letters = std::all_of(bucket.begin(), bucket.end(), [](char c) {
        return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
    });
    return letters && bucket.size() <= 255 &&
           bucket.find_first_not_of('.') != std::string_view::npos;
}

void demand_bucket(const std::string& bucket, bool aws)
{
    refuse_special_buckets(bucket);
    if (bucket.empty()) {
        refuse("there is no bucket's name", "bucket");
    }
    if (aws && !is_aws_bucket(bucket)) {
        refuse("this is no bucket's name: 3 to 63 of a-z, 0-9, '.' and '-', a letter or digit "
               "first and last",
               bucket);
    }
    if (!is_lax_bucket(bucket)) {
        refuse("this is no bucket's name: it may hold letters, digits, '.', '-' and '_'", bucket);
    }
}

void demand_prefix(std::string_view prefix)
{
    if (prefix.size() > longest_prefix) {
        refuse(fmt::format("the prefix is longer than {} bytes", longest_prefix), prefix);
    }
    const bool harmful = std::any_of(prefix.begin(), prefix.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '?' || c == '#';
    });
    if (harmful || !is_utf8(prefix)) {
        refuse("a prefix is UTF-8 without control characters, '?' and '#'", prefix);
    }
    if (prefix.ends_with('/')) {
        refuse("a prefix has no empty part", prefix);
    }
    for (std::string_view rest = prefix; !rest.empty();) {
        const std::size_t slash = rest.find('/');
        const std::string_view part = rest.substr(0, slash);
        if (part.empty() || part == "." || part == "..") {
            refuse("a prefix has no empty part and none called '.' or '..'", prefix);
        }
        rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    }
}

void demand_region(const std::string& region)
{
    if (!is_region_name(region)) {
        refuse("this is no region's name, such as eu-west-1", region);
    }
}

/// `bucket/prefix` behind an authority; the slash at the end of the prefix may be written.
S3Location split_place(std::string_view place)
{
    S3Location out;
    const std::size_t slash = place.find('/');
    out.bucket = place.substr(0, slash);
    if (slash != std::string_view::npos) {
        out.prefix = place.substr(slash + 1);
    }
    if (out.prefix.ends_with('/')) {
        out.prefix.pop_back();
    }
    return out;
}

S3Location split_uri(std::string_view uri)
{
    constexpr std::string_view aws = "s3://";
    constexpr std::string_view other = "s3+";
    if (uri.starts_with(aws)) {
        return split_place(uri.substr(aws.size()));
    }
    if (!uri.starts_with("s3+http://") && !uri.starts_with("s3+https://")) {
        refuse("an S3 repository is s3://bucket/prefix or s3+https://host:port/bucket/prefix", uri);
    }
    const std::string_view url = uri.substr(other.size());
    const std::size_t slash = url.find('/', url.find("://") + 3);
    S3Location out = split_place(slash == std::string_view::npos ? "" : url.substr(slash + 1));
    out.endpoint = parse_http_url(url.substr(0, slash)).text();
    return out;
}

// --- Regions ------------------------------------------------------------------------------------

// The regions' endpoints as in the partitions file that the AWS SDKs share.
constexpr AwsPartition commercial{"aws", "amazonaws.com", true, true};
constexpr std::array<std::pair<std::string_view, AwsPartition>, 7> partitions{{
    {"cn-", {"aws-cn", "amazonaws.com.cn", true, false}},
    {"us-gov-", {"aws-us-gov", "amazonaws.com", true, true}},
    {"us-iso-", {"aws-iso", "c2s.ic.gov", false, true}},
    {"us-isob-", {"aws-iso-b", "sc2s.sgov.gov", false, true}},
    {"us-isof-", {"aws-iso-f", "csp.hci.ic.gov", false, true}},
    {"eu-isoe-", {"aws-iso-e", "cloud.adc-e.uk", false, true}},
    {"eusc-", {"aws-eusc", "amazonaws.eu", true, true}},
}};

std::string aws_host(const std::string& region, const S3EndpointOptions& options)
{
    const AwsPartition& partition = aws_partition_of(region);
    if (options.fips && !partition.fips) {
        refuse(fmt::format("there are no FIPS endpoints in the partition {}", partition.name),
               region);
    }
    if (options.dualstack && !partition.dualstack) {
        refuse(fmt::format("there are no dual-stack endpoints in the partition {}", partition.name),
               region);
    }
    return fmt::format("s3{}{}.{}.{}", options.fips ? "-fips" : "",
                       options.dualstack ? ".dualstack" : "", region, partition.dns_suffix);
}

S3Endpoint aws_endpoint(const std::string& bucket, const S3EndpointOptions& options)
{
    S3Endpoint out;
    out.bucket = bucket;
    out.region = options.region.empty() || options.region == "aws-global"
                     ? std::string(default_region)
                     : options.region;
    demand_region(out.region);
    const std::string host = aws_host(out.region, options);
    // The certificate is for *.s3.REGION, and a star stands for one label.
    const bool dotted = bucket.find('.') != std::string::npos;
    if (options.addressing == S3Addressing::virtual_host && dotted) {
        refuse("the bucket's name has a dot, which the server's certificate does not cover: use "
               "path style",
               bucket);
    }
    out.virtual_host = options.addressing != S3Addressing::path && !dotted;
    out.base_url = out.virtual_host ? fmt::format("https://{}.{}", bucket, host)
                                    : fmt::format("https://{}/{}", host, bucket);
    return out;
}

S3Endpoint custom_endpoint(const std::string& bucket, const S3EndpointOptions& options)
{
    HttpUrl url = parse_http_url(options.endpoint);
    if (options.dualstack || options.fips) {
        refuse("dual-stack and FIPS choose among AWS's own endpoints: leave them out where the "
               "endpoint is given",
               options.endpoint);
    }
    if (!url.query.empty()) {
        refuse("an endpoint has no query ('?')", options.endpoint);
    }
    S3Endpoint out;
    out.bucket = bucket;
    out.aws = url.host.find(".amazonaws.com") != std::string::npos;
    out.region = options.region.empty() ? aws_region_in_host(url.host) : options.region;
    if (out.region.empty()) {
        out.region = default_region;
    }
    demand_region(out.region);
    out.virtual_host = options.addressing == S3Addressing::virtual_host;
    if (out.virtual_host && (is_ip_address(url.host) || !is_aws_bucket(bucket))) {
        refuse("virtual hosts need an endpoint with a name, and a bucket whose name may stand in a "
               "host's: use path style",
               options.endpoint);
    }
    while (url.path.ends_with('/')) {
        url.path.pop_back();
    }
    if (out.virtual_host) {
        url.host = bucket + '.' + url.host;
    } else {
        url.path += '/' + bucket;
    }
    out.base_url = url.text();
    return out;
}

std::string with_query(std::string url, std::string_view query)
{
    if (!query.empty()) {
        url += '?';
        url += query;
    }
    return url;
}

} // namespace

S3Location parse_s3_uri(std::string_view uri)
{
    if (uri.starts_with("s3://arn:")) {
        refuse_special_buckets(uri.substr(5));
    }
    S3Location out = split_uri(uri);
    if (out.bucket.find('@') != std::string::npos) {
        // Not repeated: what stands before '@' may be a secret.
        refuse("a URL must not carry keys: give them by file or environment", {});
    }
    demand_bucket(out.bucket, out.endpoint.empty());
    demand_prefix(out.prefix);
    return out;
}

std::string S3Endpoint::bucket_url(std::string_view query) const
{
    return with_query(virtual_host ? base_url + '/' : base_url, query);
}

std::string S3Endpoint::object_url(std::string_view key, std::string_view query) const
{
    assert(!key.empty());
    return with_query(base_url + '/' + percent_encode(key, Slash::kept), query);
}

S3Endpoint resolve_s3_endpoint(const std::string& bucket, const S3EndpointOptions& options)
{
    demand_bucket(bucket, options.endpoint.empty());
    return options.endpoint.empty() ? aws_endpoint(bucket, options)
                                    : custom_endpoint(bucket, options);
}

bool is_region_name(std::string_view text)
{
    return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
        return is_alphanumeric(c) || c == '-' || c == '_';
    });
}

std::string aws_region_in_host(std::string_view host)
{
    const std::size_t suffix = host.find(".amazonaws.com");
    if (suffix == std::string_view::npos || !host.starts_with("s3")) {
        return {};
    }
    std::string_view name = host.substr(2, suffix - 2);
    name.remove_prefix(std::min(name.rfind('.') + 1, name.size())); // npos + 1 is 0
    name.remove_prefix(name.starts_with('-') ? 1 : 0);
    const bool numbered = !name.empty() && name.back() >= '0' && name.back() <= '9';
    return numbered && is_region_name(name) ? std::string(name) : std::string();
}

const AwsPartition& aws_partition_of(std::string_view region)
{
    for (const auto& row : partitions) {
        if (region.starts_with(row.first)) {
            return row.second;
        }
    }
    return commercial;
}

std::string sts_endpoint(const std::string& region, bool fips)
{
    demand_region(region);
    const AwsPartition& partition = aws_partition_of(region);
    // GovCloud's plain endpoints are FIPS ones.
    const bool marked = fips && partition.name == commercial.name;
    return fmt::format("https://sts{}.{}.{}", marked ? "-fips" : "", region, partition.dns_suffix);
}

} // namespace backstay::core
