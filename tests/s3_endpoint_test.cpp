#include "store/s3_endpoint.hpp"

#include "base/error.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

std::string base(const std::string& bucket, const S3EndpointOptions& options)
{
    return resolve_s3_endpoint(bucket, options).base_url;
}

std::string in_region(const std::string& region)
{
    return base("pool", {.region = region});
}

ErrorCode code_of(const std::string& uri)
{
    try {
        parse_s3_uri(uri);
    } catch (const Error& e) {
        return e.code();
    }
    return ErrorCode::internal; // which it never throws
}

} // namespace

TEST_CASE("an S3 URI falls into endpoint, bucket and prefix")
{
    const S3Location aws = parse_s3_uri("s3://my.bucket-1/backups/host a/");
    CHECK(aws.endpoint.empty());
    CHECK(aws.bucket == "my.bucket-1");
    CHECK(aws.prefix == "backups/host a");

    const S3Location own = parse_s3_uri("s3+http://127.0.0.1:7480/pool/x%20y");
    CHECK(own.endpoint == "http://127.0.0.1:7480");
    CHECK(own.bucket == "pool");
    CHECK(own.prefix == "x%20y");

    CHECK(parse_s3_uri("s3+https://S3.example:443/Legacy_Bucket").endpoint == "https://s3.example");
    CHECK(parse_s3_uri("s3://pool").prefix.empty());
    CHECK(parse_s3_uri("s3://pool/").prefix.empty());
    CHECK(parse_s3_uri("s3+https://[::1]:9000/pool/a").endpoint == "https://[::1]:9000");
}

TEST_CASE("an S3 URI that names no place is refused")
{
    for (const std::string uri : {"",
                                  "s3:",
                                  "s3://",
                                  "s3:///x",
                                  "s3://ab",
                                  "s3://UPPER/x",
                                  "s3://a_b_c",
                                  "s3://-abc",
                                  "s3://a..b",
                                  "s3://192.168.0.1",
                                  "s3://pool//x",
                                  "s3://pool/a/../b",
                                  "s3://pool/./a",
                                  "s3://pool/a//",
                                  "s3://pool/a?b",
                                  "s3://pool/a#b",
                                  "s3://pool/\n",
                                  "s3://pool/\xff",
                                  "s3+ftp://h/pool",
                                  "s3+http://h",
                                  "s3+http://h/",
                                  "s3+http:///pool",
                                  "s3+http://h/../x",
                                  "s3+http://h:0/pool",
                                  "s3+http://h/po%6fl",
                                  "https://h/pool",
                                  "S3://pool"}) {
        CAPTURE(uri);
        CHECK(code_of(uri) == ErrorCode::invalid);
    }
    CHECK(code_of("s3://pool/" + std::string(401, 'a')) == ErrorCode::invalid);
    CHECK(code_of("s3://" + std::string(64, 'a')) == ErrorCode::invalid);
}

TEST_CASE("keys in an S3 URI are refused and not repeated")
{
    for (const std::string uri : {"s3://AKID:hush@pool/x", "s3+https://AKID:hush@h/pool"}) {
        try {
            parse_s3_uri(uri);
            FAIL("accepted");
        } catch (const Error& e) {
            CHECK(e.code() == ErrorCode::invalid);
            CHECK((std::string(e.what()) + e.subject()).find("hush") == std::string::npos);
        }
    }
}

TEST_CASE("what needs another protocol than a plain bucket's is refused as unsupported")
{
    for (const std::string uri :
         {"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine",
          "s3://arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/mine",
          "s3://mfzwi23gnjvgw.mrap/x", "s3://fast--use1-az4--x-s3"}) {
        CAPTURE(uri);
        CHECK(code_of(uri) == ErrorCode::unsupported);
    }
    CHECK(parse_s3_uri("s3://mine-abc123-s3alias/x").bucket == "mine-abc123-s3alias");
}

TEST_CASE("each region leads to its partition's host")
{
    CHECK(in_region("") == "https://pool.s3.us-east-1.amazonaws.com");
    CHECK(in_region("aws-global") == "https://pool.s3.us-east-1.amazonaws.com");
    CHECK(in_region("eu-central-1") == "https://pool.s3.eu-central-1.amazonaws.com");
    CHECK(in_region("cn-north-1") == "https://pool.s3.cn-north-1.amazonaws.com.cn");
    CHECK(in_region("us-gov-west-1") == "https://pool.s3.us-gov-west-1.amazonaws.com");
    CHECK(in_region("us-iso-east-1") == "https://pool.s3.us-iso-east-1.c2s.ic.gov");
    CHECK(in_region("us-isob-east-1") == "https://pool.s3.us-isob-east-1.sc2s.sgov.gov");
    CHECK(in_region("us-isof-south-1") == "https://pool.s3.us-isof-south-1.csp.hci.ic.gov");
    CHECK(in_region("eu-isoe-west-1") == "https://pool.s3.eu-isoe-west-1.cloud.adc-e.uk");
    CHECK(in_region("eusc-de-east-1") == "https://pool.s3.eusc-de-east-1.amazonaws.eu");
    CHECK(aws_partition_of("us-gov-east-1").name == "aws-us-gov");
    CHECK(aws_partition_of("me-central-9").name == "aws");
    for (const std::string region : {"eu west", "a.evil.example", "x/y", "h:1"}) {
        CHECK_THROWS_AS(in_region(region), Error);
    }
}

TEST_CASE("dual-stack and FIPS endpoints are chosen where they are, and refused where they are not")
{
    CHECK(base("pool", {.region = "eu-west-1", .dualstack = true}) ==
          "https://pool.s3.dualstack.eu-west-1.amazonaws.com");
    CHECK(base("pool", {.region = "us-gov-east-1", .fips = true}) ==
          "https://pool.s3-fips.us-gov-east-1.amazonaws.com");
    CHECK(base("pool", {.region = "us-east-2", .dualstack = true, .fips = true}) ==
          "https://pool.s3-fips.dualstack.us-east-2.amazonaws.com");
    CHECK(base("pool", {.region = "cn-north-1", .dualstack = true}) ==
          "https://pool.s3.dualstack.cn-north-1.amazonaws.com.cn");
    CHECK_THROWS_AS(base("pool", {.region = "cn-north-1", .fips = true}), Error);
    CHECK_THROWS_AS(base("pool", {.region = "us-iso-east-1", .dualstack = true}), Error);
    CHECK_THROWS_AS(base("pool", {.endpoint = "https://h", .fips = true}), Error);
    CHECK_THROWS_AS(base("pool", {.endpoint = "https://h", .dualstack = true}), Error);
}

TEST_CASE("a dotted name under TLS goes by path, for no certificate covers it")
{
    CHECK(base("a.b.c", {.region = "eu-west-1"}) == "https://s3.eu-west-1.amazonaws.com/a.b.c");
    CHECK_FALSE(resolve_s3_endpoint("a.b.c", {}).virtual_host);
    CHECK_THROWS_AS(base("a.b.c", {.addressing = S3Addressing::virtual_host}), Error);
    CHECK(base("pool", {.region = "eu-west-1", .addressing = S3Addressing::path}) ==
          "https://s3.eu-west-1.amazonaws.com/pool");
}

TEST_CASE("a custom endpoint keeps its port and base path")
{
    CHECK(base("pool", {.endpoint = "http://127.0.0.1:7480"}) == "http://127.0.0.1:7480/pool");
    CHECK(base("pool", {.endpoint = "https://h:8443/s3//"}) == "https://h:8443/s3/pool");
    CHECK(base("pool", {.endpoint = "http://h:81/base",
                        .addressing = S3Addressing::virtual_host}) == "http://pool.h:81/base");
    CHECK_THROWS_AS(
        base("pool", {.endpoint = "http://1.2.3.4", .addressing = S3Addressing::virtual_host}),
        Error);
    CHECK_THROWS_AS(
        base("Po_ol", {.endpoint = "http://h", .addressing = S3Addressing::virtual_host}), Error);
    CHECK_THROWS_AS(base("pool", {.endpoint = "http://h/?x"}), Error);
    CHECK_THROWS_AS(base("", {.endpoint = "http://h"}), Error);
    CHECK_THROWS_AS(base("..", {.endpoint = "http://h"}), Error);
}

TEST_CASE("the region of an AWS endpoint that was given by its URL is read from its name")
{
    const auto region = [](const std::string& endpoint) {
        return resolve_s3_endpoint("pool", {.endpoint = endpoint}).region;
    };
    CHECK(region("https://s3.eu-west-3.amazonaws.com") == "eu-west-3");
    CHECK(region("https://s3-us-west-2.amazonaws.com") == "us-west-2");
    CHECK(region("https://s3.dualstack.cn-north-1.amazonaws.com.cn") == "cn-north-1");
    CHECK(region("https://s3-fips.us-gov-west-1.amazonaws.com") == "us-gov-west-1");
    CHECK(region("https://s3.amazonaws.com") == "us-east-1");
    CHECK(region("https://s3-accelerate.amazonaws.com") == "us-east-1");
    CHECK(region("https://s3.example") == "us-east-1");
    CHECK(resolve_s3_endpoint("pool", {.endpoint = "https://h", .region = "auto"}).region ==
          "auto");
    CHECK_FALSE(resolve_s3_endpoint("pool", {.endpoint = "https://h"}).aws);
}

TEST_CASE("URLs of objects and of the bucket are encoded")
{
    const S3Endpoint host = resolve_s3_endpoint("pool", {});
    CHECK(host.object_url("a b/c+d") == "https://pool.s3.us-east-1.amazonaws.com/a%20b/c%2Bd");
    CHECK(host.object_url("k", "uploads") == "https://pool.s3.us-east-1.amazonaws.com/k?uploads");
    CHECK(host.bucket_url("list-type=2") == "https://pool.s3.us-east-1.amazonaws.com/?list-type=2");
    const S3Endpoint path = resolve_s3_endpoint("pool", {.endpoint = "http://h:1/x"});
    CHECK(path.bucket_url() == "http://h:1/x/pool");
    CHECK(path.object_url("k") == "http://h:1/x/pool/k");
}

TEST_CASE("tokens come from the region's own service")
{
    CHECK(sts_endpoint("eu-west-1", false) == "https://sts.eu-west-1.amazonaws.com");
    CHECK(sts_endpoint("us-east-2", true) == "https://sts-fips.us-east-2.amazonaws.com");
    CHECK(sts_endpoint("us-gov-west-1", true) == "https://sts.us-gov-west-1.amazonaws.com");
    CHECK(sts_endpoint("cn-north-1", false) == "https://sts.cn-north-1.amazonaws.com.cn");
    CHECK_THROWS_AS(sts_endpoint("evil.example/", false), Error);
}
