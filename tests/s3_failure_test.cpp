#include "store/s3_failure.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

std::string error_body(const std::string& code, const std::string& more = {})
{
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code +
           "</Code><Message>It failed</Message>" + more + "<RequestId>REQ1</RequestId></Error>";
}

HttpReply reply(int status, std::string body, HeaderList headers = {})
{
    HttpReply out;
    out.status = status;
    out.body = std::move(body);
    out.headers = std::move(headers);
    return out;
}

S3FailureKind kind(int status, const std::string& code)
{
    const auto failure = s3_failure_of(reply(status, code.empty() ? "" : error_body(code)));
    REQUIRE(failure.has_value());
    return failure->kind;
}

} // namespace

TEST_CASE("each kind of failure is told by code and status")
{
    using Kind = S3FailureKind;
    for (const int status : {408, 500, 502, 504}) {
        CHECK(kind(status, "") == Kind::transient);
    }
    CHECK(kind(400, "RequestTimeout") == Kind::transient);
    CHECK(kind(409, "ConditionalRequestConflict") == Kind::transient);
    CHECK(kind(409, "OperationAborted") == Kind::transient);
    CHECK(kind(500, "SomethingNew") == Kind::transient);
    CHECK(kind(503, "SlowDown") == Kind::throttled);
    CHECK(kind(503, "SlowDownWrite") == Kind::throttled);
    CHECK(kind(400, "ThrottlingException") == Kind::throttled);
    CHECK(kind(429, "") == Kind::throttled);
    CHECK(kind(503, "") == Kind::throttled);
    CHECK(kind(403, "RequestTimeTooSkewed") == Kind::clock_skew);
    CHECK(kind(400, "ExpiredToken") == Kind::expired);
    CHECK(kind(301, "PermanentRedirect") == Kind::wrong_region);
    CHECK(kind(307, "TemporaryRedirect") == Kind::wrong_region);
    CHECK(kind(412, "PreconditionFailed") == Kind::taken);
    CHECK(kind(412, "") == Kind::taken);
    CHECK(kind(412, "InvalidRequest") == Kind::unsupported);
    CHECK(kind(404, "NoSuchKey") == Kind::no_object);
    CHECK(kind(404, "") == Kind::no_object);
    CHECK(kind(404, "NoSuchBucket") == Kind::no_bucket);
    CHECK(kind(404, "NoSuchUpload") == Kind::no_upload);
    CHECK(kind(416, "InvalidRange") == Kind::bad_range);
    CHECK(kind(403, "InvalidObjectState") == Kind::archived);
    CHECK(kind(403, "QuotaExceeded") == Kind::no_space);
    CHECK(kind(403, "SignatureDoesNotMatch") == Kind::bad_key);
    CHECK(kind(403, "InvalidAccessKeyId") == Kind::bad_key);
    CHECK(kind(403, "AccessDenied") == Kind::denied);
    CHECK(kind(403, "") == Kind::denied);
    CHECK(kind(501, "NotImplemented") == Kind::unsupported);
    CHECK(kind(400, "InvalidArgument") == Kind::rejected);
    CHECK(kind(304, "") == Kind::rejected);
    CHECK(is_retried(Kind::transient));
    CHECK(is_retried(Kind::throttled));
    CHECK_FALSE(is_retried(Kind::taken));
}

TEST_CASE("a success that carries an error is a failure")
{
    CHECK_FALSE(s3_failure_of(reply(200, "")).has_value());
    CHECK_FALSE(s3_failure_of(reply(204, "")).has_value());
    CHECK_FALSE(s3_failure_of(reply(200, "<ListBucketResult/>")).has_value());
    CHECK_FALSE(s3_failure_of(reply(200, "<DeleteResult><Error><Code>InternalError</Code></Error>"
                                         "</DeleteResult>"))
                    .has_value());
    const auto padded = s3_failure_of(reply(200, "   \n\n  " + error_body("InternalError")));
    REQUIRE(padded.has_value());
    CHECK(padded->kind == S3FailureKind::transient);
    CHECK(s3_failure_of(reply(200, error_body("Strange")))->kind == S3FailureKind::transient);
    CHECK(s3_failure_of(reply(200, error_body("AccessDenied")))->kind == S3FailureKind::denied);
}

TEST_CASE("the bucket's region is found wherever the server names it")
{
    const auto region = [](const HttpReply& said) {
        const auto failure = s3_failure_of(said);
        REQUIRE(failure.has_value());
        CHECK(failure->kind == S3FailureKind::wrong_region);
        return failure->region;
    };
    CHECK(region(reply(301, "", {{"X-Amz-Bucket-Region", "eu-west-1"}})) == "eu-west-1");
    CHECK(region(reply(400, "", {{"x-amz-bucket-region", "eu-west-1"}})) == "eu-west-1");
    CHECK(region(reply(400, error_body("AuthorizationHeaderMalformed",
                                       "<Region>cn-north-1</Region>"))) == "cn-north-1");
    CHECK(
        region(reply(301, error_body("PermanentRedirect",
                                     "<Endpoint>my.pool.s3.eu-west-2.amazonaws.com</Endpoint>"))) ==
        "eu-west-2");
    CHECK(region(reply(301, error_body("PermanentRedirect",
                                       "<Endpoint>s3-us-west-2.amazonaws.com</Endpoint>"))) ==
          "us-west-2");
    CHECK(region(reply(307, error_body("TemporaryRedirect"),
                       {{"Location", "https://pool.s3-ap-south-1.amazonaws.com/k?x"}})) ==
          "ap-south-1");
    CHECK(region(reply(301, error_body("PermanentRedirect"))).empty());
}

TEST_CASE("a region that would lead to another host is not believed")
{
    for (const std::string region : {"evil.example", "a/b", "x:80", "a b", ""}) {
        CAPTURE(region);
        CHECK(s3_failure_of(reply(301, "", {{"x-amz-bucket-region", region}}))->region.empty());
        CHECK(s3_failure_of(
                  reply(301, error_body("PermanentRedirect", "<Region>" + region + "</Region>")))
                  ->region.empty());
    }
    CHECK(s3_failure_of(
              reply(307, "", {{"location", "https://evil.example/s3.eu-west-1.amazonaws.com"}}))
              ->region.empty());
}

TEST_CASE("a refusal for a malformed key is no redirect")
{
    CHECK(kind(400, "AuthorizationHeaderMalformed") == S3FailureKind::bad_key);
    const auto denied = s3_failure_of(reply(403, "", {{"x-amz-bucket-region", "eu-west-1"}}));
    CHECK(denied->kind == S3FailureKind::denied);
    CHECK(denied->region == "eu-west-1");
}

TEST_CASE("the server says when to come back, and what time it is")
{
    const auto failure =
        s3_failure_of(reply(503, error_body("SlowDown"),
                            {{"Retry-After", "7"}, {"Date", "Tue, 24 Nov 2026 10:00:01 GMT"}}));
    CHECK(failure->retry_after == 7.0);
    CHECK(failure->server_time == parse_time("2026-11-24T10:00:01Z"));
    CHECK(s3_failure_of(reply(503, "", {{"retry-after", "1"}, {"x-amz-retry-after", "250"}}))
              ->retry_after == 0.25);
    CHECK(s3_failure_of(reply(503, "", {{"retry-after", "4000000000"}}))->retry_after == 60.0);
    for (const std::string text :
         {"", "-1", "soon", "99999999999999", "Tue, 24 Nov 2026 10:00:01 GMT"}) {
        CAPTURE(text);
        CHECK_FALSE(
            s3_failure_of(reply(503, "", {{"retry-after", text}}))->retry_after.has_value());
    }
}

TEST_CASE("a date that is none is no date")
{
    CHECK(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT") == Timestamp{0, 0});
    CHECK(parse_http_date("Tue, 31 Dec 2030 23:59:59 GMT") == parse_time("2030-12-31T23:59:59Z"));
    for (const std::string text :
         {"", "Tue, 24 Nov 2026 10:00:01 CET", "Tue, 24 ovD 2026 10:00:01 GMT",
          "Tue, 99 Nov 2026 10:00:01 GMT", "Tuesday, 24-Nov-26 10:00:01 GMT",
          "Tue, 24 Nov 2026 25:00:01 GMT", "Tue, xx Nov 2026 10:00:01 GMT"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_http_date(text).has_value());
    }
}

TEST_CASE("an error names operation, key, request and attempts, and says what to do")
{
    const auto failure = s3_failure_of(reply(403, error_body("SignatureDoesNotMatch")));
    const Error error = s3_error(*failure, {"get the object", "pool", "packs/1", 3});
    CHECK(error.code() == ErrorCode::denied);
    CHECK(error.subject() == "packs/1");
    const std::string text = error.what();
    for (const std::string part :
         {"get the object", "'pool'", "check both", "403 SignatureDoesNotMatch", "\"It failed\"",
          "REQ1", "3 attempts"}) {
        CAPTURE(part);
        CHECK(text.find(part) != std::string::npos);
    }
    const auto code = [](int status, const std::string& name) {
        return s3_error(*s3_failure_of(reply(status, error_body(name))), {"x", "pool", "", 1})
            .code();
    };
    CHECK(code(503, "SlowDown") == ErrorCode::unavailable);
    CHECK(code(404, "NoSuchBucket") == ErrorCode::not_found);
    CHECK(code(412, "PreconditionFailed") == ErrorCode::exists);
    CHECK(code(403, "QuotaExceeded") == ErrorCode::no_space);
    CHECK(code(403, "InvalidObjectState") == ErrorCode::denied); // never storage or damaged
    CHECK(code(503, "GlacierExpeditedRetrievalNotAvailable") == ErrorCode::unsupported);
    CHECK(code(501, "NotImplemented") == ErrorCode::unsupported);
    CHECK(code(301, "PermanentRedirect") == ErrorCode::invalid);
}

TEST_CASE("a proxy's refusal is not taken for the server's")
{
    const auto failure = s3_failure_of(reply(407, "<html>Proxy Authentication Required</html>"));
    const Error error = s3_error(*failure, {"list the objects", "pool", "", 1});
    CHECK(error.code() == ErrorCode::denied);
    const std::string text = error.what();
    CHECK(text.find("the proxy demands a user and password") != std::string::npos);
    CHECK(text.find("http_proxy") != std::string::npos);
}

TEST_CASE("a body that is no error at all still gives one, and its bytes are not shown raw")
{
    const auto html = s3_failure_of(reply(502, "<html><body>Error</body></html>"));
    CHECK(html->kind == S3FailureKind::transient);
    CHECK(html->code.empty());
    const auto long_one =
        s3_failure_of(reply(400, "<Error><Code>A&#10;B</Code><Message>" + std::string(299, 'x') +
                                     "\u00e9</Message></Error>"));
    CHECK(long_one->code == "A B");
    CHECK(long_one->message == std::string(299, 'x'));
}

TEST_CASE("the token service's wrapped error is read")
{
    const auto failure = s3_failure_of(reply(
        403,
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender"
        "</Type><Code>ExpiredToken</Code><Message>m</Message></Error><RequestId>R2</RequestId>"
        "</ErrorResponse>"));
    CHECK(failure->kind == S3FailureKind::expired);
    CHECK(failure->request_id == "R2");
}
