#include "store/aws_signature.hpp"

#include "base/error.hpp"
#include "codec/hash.hpp"
#include "store/http_url.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

constexpr SigningRules unnormalised{false, true, false, true};

std::string hash_of(std::string_view body)
{
    return to_hex(sha256(as_bytes(body)));
}

/// One case of the published test suite for Signature Version 4: its key, region, service, moment.
struct Vector {
    const char* name;
    const char* method;
    const char* target;
    HeaderList headers;
    const char* body;
    const char* signed_headers;
    const char* signature;
    SigningRules rules = general_signing_rules;
    const char* token = "";
};

const AwsCredentials suite_key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
const SigningScope suite_scope{"us-east-1", "service", *parse_time("2015-08-30T12:36:00Z")};

constexpr const char* suite_token =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfI"
    "eoIYRqTflfKD8YUuwthAx7mSEI/"
    "qkPpKPi/"
    "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNV"
    "XAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJ"
    "abIQwj2ICCR/oLxBA==";
constexpr const char* short_token =
    "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";

const std::vector<Vector> suite{
    {"get-header-key-duplicate",
     "GET",
     "/",
     {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
     "",
     "host;my-header1;x-amz-date",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-multiline",
     "GET",
     "/",
     {{"My-Header1", "value1\r\n  value2\n     value3"}},
     "",
     "host;my-header1;x-amz-date",
     "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790"},
    {"get-header-value-order",
     "GET",
     "/",
     {{"My-Header1", "value4"},
      {"My-Header1", "value1"},
      {"My-Header1", "value3"},
      {"My-Header1", "value2"}},
     "",
     "host;my-header1;x-amz-date",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim",
     "GET",
     "/",
     {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
     "",
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"get-unreserved",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {},
     "",
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8",
     "GET",
     "/\u1234",
     {},
     "",
     "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-space-normalized",
     "GET",
     "/example space/",
     {},
     "",
     "host;x-amz-date",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"get-slashes-normalized",
     "GET",
     "//example//",
     {},
     "",
     "host;x-amz-date",
     "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
    {"get-slashes-unnormalized",
     "GET",
     "//example//",
     {},
     "",
     "host;x-amz-date",
     "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5",
     unnormalised},
    {"get-relative-relative-unnormalized",
     "GET",
     "/example1/example2/../..",
     {},
     "",
     "host;x-amz-date",
     "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b",
     unnormalised},
    {"get-vanilla",
     "GET",
     "/",
     {},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative-normalized",
     "GET",
     "/example/..",
     {},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative-relative-normalized",
     "GET",
     "/example1/example2/../..",
     {},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-normalized",
     "GET",
     "//",
     {},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-dot-slash-normalized",
     "GET",
     "/./",
     {},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-with-session-token",
     "GET",
     "/",
     {},
     "",
     "host;x-amz-date;x-amz-security-token",
     "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
     general_signing_rules,
     short_token},
    {"get-vanilla-empty-query-key",
     "GET",
     "/?Param1=value1",
     {},
     "",
     "host;x-amz-date",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/?Param2=value2&Param1=value1",
     {},
     "",
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-order-encoded",
     "GET",
     "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
     {},
     "",
     "host;x-amz-date",
     "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
    {"get-vanilla-query-unreserved",
     "GET",
     "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz="
     "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {},
     "",
     "host;x-amz-date",
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query",
     "GET",
     "/?\u1234=bar",
     {},
     "",
     "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"post-header-key-sort",
     "POST",
     "/",
     {{"My-Header1", "value1"}},
     "",
     "host;my-header1;x-amz-date",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-header-value-case",
     "POST",
     "/",
     {{"My-Header1", "VALUE1"}},
     "",
     "host;my-header1;x-amz-date",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-sts-header-after",
     "POST",
     "/",
     {},
     "",
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
     {true, true, false, false},
     suite_token},
    {"post-sts-header-before",
     "POST",
     "/",
     {},
     "",
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
     general_signing_rules,
     suite_token},
    {"post-vanilla",
     "POST",
     "/",
     {},
     "",
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-vanilla-query",
     "POST",
     "/?Param1=value1",
     {},
     "",
     "host;x-amz-date",
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {"post-vanilla-query-nonunreserved",
     "POST",
     "/?%40%23%24%25%5E=&%2B=%2F%2C%3F%3E%3C%60%22%3B%3A%5C%7C%5D%5B%7B%7D",
     {},
     "",
     "host;x-amz-date",
     "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e"},
    {"post-vanilla-query-space",
     "POST",
     "/?p",
     {},
     "",
     "host;x-amz-date",
     "e71688addb58a26418614085fb730ba3faa623b461c17f48f2fbdb9361b94a9b"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     {{"Content-Type", "application/x-www-form-urlencoded"}},
     "Param1=value1",
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post-x-www-form-urlencoded-parameters",
     "POST",
     "/",
     {{"Content-Type", "application/x-www-form-urlencoded; charset=utf8"}},
     "Param1=value1",
     "content-type;host;x-amz-date",
     "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
};

/// The S3 manual's own examples: bucket examplebucket, 24 May 2013.
const AwsCredentials manual_key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
const SigningScope manual_scope{"us-east-1", "s3", *parse_time("2013-05-24T00:00:00Z")};
const std::string manual_bucket = "https://examplebucket.s3.amazonaws.com";

SignedHeaders signed_as_manual(const SigningRequest& request)
{
    return sign_headers(request, manual_key, manual_scope, s3_signing_rules);
}

std::string header(const HeaderList& headers, std::string_view name)
{
    for (const auto& [key, value] : headers) {
        if (key == name) {
            return value;
        }
    }
    return "(none)";
}

std::string line(const std::string& text, int number)
{
    std::size_t start = 0;
    for (int i = 0; i < number; ++i) {
        start = text.find('\n', start) + 1;
    }
    return text.substr(start, text.find('\n', start) - start);
}

std::string s3_path(const std::string& path)
{
    const SigningRequest request{"GET", manual_bucket + path, {}, hash_of("")};
    return line(signed_as_manual(request).steps.canonical_request, 1);
}

std::string s3_query(const std::string& query)
{
    const SigningRequest request{"GET", manual_bucket + "/?" + query, {}, hash_of("")};
    return line(signed_as_manual(request).steps.canonical_request, 2);
}

} // namespace

TEST_CASE("a case of the published suite gets another signature than published")
{
    for (const Vector& v : suite) {
        CAPTURE(std::string(v.name));
        AwsCredentials key = suite_key;
        key.session_token = v.token;
        const SigningRequest request{v.method,
                                     std::string("https://example.amazonaws.com") + v.target,
                                     v.headers, hash_of(v.body)};
        const SignedHeaders out = sign_headers(request, key, suite_scope, v.rules);
        CHECK(out.steps.signed_headers == v.signed_headers);
        CHECK(out.steps.signature == v.signature);
        CHECK(header(out.add, "Authorization") ==
              std::string("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
                          "aws4_request, SignedHeaders=") +
                  v.signed_headers + ", Signature=" + v.signature);
        CHECK(header(out.add, "x-amz-date") == "20150830T123600Z");
        CHECK(header(out.add, "x-amz-security-token") == (*v.token == '\0' ? "(none)" : v.token));
    }
}

TEST_CASE("a presigned case of the published suite gets another signature than published")
{
    struct Case {
        const char* target;
        HeaderList headers;
        const char* token;
        SigningRules rules;
        const char* signature;
    };
    const std::vector<Case> cases{
        {"/",
         {},
         short_token,
         general_signing_rules,
         "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c"},
        {"/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
         {},
         "",
         general_signing_rules,
         "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787"},
        {"/?\u1234=bar",
         {},
         "",
         general_signing_rules,
         "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600"},
        {"/./example",
         {},
         "",
         unnormalised,
         "72b11f16d9530b18204bfb71f2d6ab085894c0ed8d352730a6e76234c58b5e10"},
        {"/",
         {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
         "",
         general_signing_rules,
         "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97"},
    };
    for (const Case& c : cases) {
        CAPTURE(std::string(c.target));
        AwsCredentials key = suite_key;
        key.session_token = c.token;
        const SigningRequest request{"GET", std::string("https://example.amazonaws.com") + c.target,
                                     c.headers, hash_of("")};
        CHECK(presign_url(request, key, suite_scope, c.rules, 3600).steps.signature == c.signature);
    }
}

TEST_CASE("an example of the S3 manual gets another signature than printed there")
{
    CHECK(signed_as_manual(
              {"GET", manual_bucket + "/test.txt", {{"Range", "bytes=0-9"}}, hash_of("")})
              .steps.signature ==
          "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    CHECK(signed_as_manual({"PUT",
                            manual_bucket + "/test%24file.text",
                            {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                             {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                            hash_of("Welcome to Amazon S3.")})
              .steps.signature ==
          "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    CHECK(
        signed_as_manual({"GET", manual_bucket + "/?lifecycle", {}, hash_of("")}).steps.signature ==
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    CHECK(signed_as_manual({"GET", manual_bucket + "/?max-keys=2&prefix=J", {}, hash_of("")})
              .steps.signature ==
          "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");

    const PresignedUrl url =
        presign_url({"GET", manual_bucket + "/test.txt", {}, std::string(unsigned_payload)},
                    manual_key, manual_scope, s3_signing_rules, 86400);
    CHECK(url.url == manual_bucket +
                         "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
                         "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-"
                         "Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                         "&X-Amz-Signature="
                         "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST_CASE("an S3 key is encoded once and left as it is")
{
    CHECK(s3_path("/a//b/../c/./d") == "/a//b/../c/./d");
    CHECK(s3_path("") == "/");
    CHECK(s3_path("/a%20b/%E1%88%B4") == "/a%20b/%E1%88%B4");
    CHECK(s3_path("/a%2fb%7e") == "/a/b~");
    CHECK(s3_path("/a+b=c*d(e)'!") == "/a%2Bb%3Dc%2Ad%28e%29%27%21");
    CHECK(s3_path("/a%252Fb") == "/a%252Fb");
}

TEST_CASE("an encoded path is encoded again for all services but S3")
{
    const SigningRequest request{"GET", "https://h/a%20b/../c%2Fd", {}, hash_of("")};
    const SignedHeaders out = sign_headers(request, suite_key, suite_scope, general_signing_rules);
    CHECK(line(out.steps.canonical_request, 1) == "/c%252Fd");
}

TEST_CASE("a query is signed in the order of its encoded names, then values")
{
    CHECK(s3_query("uploads") == "uploads=");
    CHECK(s3_query("b=2&a=1&a=0&a") == "a=&a=0&a=1&b=2");
    CHECK(s3_query("a=1&&b=2&") == "a=1&b=2");
    CHECK(s3_query("prefix=a/b+c%2Bd&x=y=z") == "prefix=a%2Fb%2Bc%2Bd&x=y%3Dz");
    CHECK(s3_query("a-b=1&a=2&aB=3&a_b=4") == "a=2&a-b=1&aB=3&a_b=4");
    CHECK(s3_query("=x") == "=x");
}

TEST_CASE("a header whose name begins another is signed before it")
{
    const std::string name = "x-amz-server-side-encryption";
    const SignedHeaders out =
        signed_as_manual({"PUT",
                          manual_bucket + "/k",
                          {{name + "-aws-kms-key-id", "k"}, {name, "aws:kms"}},
                          hash_of("")});
    CHECK(out.steps.signed_headers ==
          "host;x-amz-content-sha256;x-amz-date;" + name + ";" + name + "-aws-kms-key-id");
}

TEST_CASE("headers that are altered on the way are not signed")
{
    const SignedHeaders out = signed_as_manual({"GET",
                                                manual_bucket + "/k",
                                                {{"User-Agent", "x"},
                                                 {"accept-encoding", "gzip"},
                                                 {"Expect", ""},
                                                 {"Connection", "close"},
                                                 {"Content-MD5", "m"},
                                                 {"x-amz-empty", ""}},
                                                hash_of("")});
    CHECK(out.steps.signed_headers ==
          "content-md5;host;x-amz-content-sha256;x-amz-date;x-amz-empty");
    CHECK(out.steps.canonical_request.find("x-amz-empty:\n") != std::string::npos);
}

TEST_CASE("the host is signed with the port that is sent")
{
    const auto host = [](const std::string& url, HeaderList headers) {
        const std::string text =
            signed_as_manual({"GET", url, std::move(headers), hash_of("")}).steps.canonical_request;
        return line(text, 3);
    };
    CHECK(host("http://h:8080/", {}) == "host:h:8080");
    CHECK(host("http://h:80/", {}) == "host:h");
    CHECK(host("http://127.0.0.1:1/", {{"Host", "bucket.example"}}) == "host:bucket.example");
    CHECK(host("http://[::1]:9000/", {}) == "host:[::1]:9000");
}

TEST_CASE("a request that is signed again is not signed over its old signature")
{
    SigningRequest request{"GET", manual_bucket + "/k", {}, hash_of("")};
    AwsCredentials key = manual_key;
    key.session_token = "old";
    const SignedHeaders first = sign_headers(request, key, manual_scope, s3_signing_rules);
    request.headers = first.add;
    key.session_token = "new";
    SigningScope later = manual_scope;
    later.time.seconds += 60;
    const SignedHeaders again = sign_headers(request, key, later, s3_signing_rules);
    request.headers.clear();
    CHECK(again.steps.signature ==
          sign_headers(request, key, later, s3_signing_rules).steps.signature);

    const PresignedUrl presigned = presign_url(request, key, manual_scope, s3_signing_rules, 60);
    const PresignedUrl renewed = presign_url({"GET", presigned.url, {}, request.payload_hash}, key,
                                             later, s3_signing_rules, 90);
    CHECK(renewed.url == presign_url(request, key, later, s3_signing_rules, 90).url);
    CHECK(renewed.url.find("X-Amz-Security-Token=new") != std::string::npos);
}

TEST_CASE("a header that would end its line is refused")
{
    for (const std::string value : {"a\nb", "a\r\nx: y", "a\n", "\x01", "a\rb", "a\x7f"}) {
        CAPTURE(value);
        CHECK_THROWS_AS(
            signed_as_manual({"GET", manual_bucket + "/k", {{"X-Amz-Meta-A", value}}, hash_of("")}),
            Error);
    }
}

TEST_CASE("a presigned URL holds neither for ever nor for no time")
{
    const SigningRequest request{"GET", manual_bucket, {}, std::string(unsigned_payload)};
    for (const std::uint32_t seconds : {0U, 604801U}) {
        CHECK_THROWS_AS(presign_url(request, manual_key, manual_scope, s3_signing_rules, seconds),
                        Error);
    }
    const std::string url =
        presign_url(request, manual_key, manual_scope, s3_signing_rules, 604800).url;
    CHECK(url.starts_with(manual_bucket + "/?X-Amz-Algorithm="));
}

TEST_CASE("anonymous requests are not signed by an empty key")
{
    CHECK_THROWS_AS(
        sign_headers({"GET", manual_bucket, {}, hash_of("")}, {}, manual_scope, s3_signing_rules),
        Error);
}
