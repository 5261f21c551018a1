#include "net/http_log.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("a URL is shown without signatures, tokens and passwords, however they are spelt")
{
    CHECK(masked_url("https://h/k?X-Amz-Signature=abc&X-Amz-Date=d") ==
          "https://h/k?X-Amz-Signature=***&X-Amz-Date=d");
    CHECK(masked_url("https://h/k?x-amz-security-token=a%3D&x=1#f") ==
          "https://h/k?x-amz-security-token=***&x=1#f");
    CHECK(masked_url("https://h/k?X-Amz-Sign%61ture=abc") == "https://h/k?X-Amz-Sign%61ture=***");
    CHECK(masked_url("https://h/k?a=b;sig=abc;c") == "https://h/k?a=b;sig=***;c");
    CHECK(masked_url("https://me:pw@h:1/k") == "https://***@h:1/k");
    CHECK(masked_url("https://me:p@w@h/") == "https://***@h/");
    CHECK(masked_url("https://h/k@v?list-type=2&continuation-token=t&prefix=a@b") ==
          "https://h/k@v?list-type=2&continuation-token=t&prefix=a@b");
    CHECK(masked_url("?password=p") == "?password=***");
    CHECK(masked_url("") == "");
    CHECK(masked_url("https://h/k?uploads") == "https://h/k?uploads");
}

TEST_CASE("words that quote a URL are shown without its user and password")
{
    CHECK(masked_text("nobody is there") == "nobody is there");
    CHECK(masked_text("bad proxy in 'http://me:hun'ter 2@b@x:1'") ==
          "bad proxy in 'http://***@x:1'");
    CHECK(masked_text("bad proxy in 'me:hunter2@x:1'") == "bad proxy in '***@x:1'");
    CHECK(masked_text("bad proxy me:hunter2@x:1") == "***@x:1");
}

TEST_CASE("a header is shown without secrets")
{
    for (const char* name :
         {"Authorization", "proxy-authorization", "X-Amz-Security-Token", "Cookie", "Set-Cookie",
          "x-amz-server-side-encryption-customer-key", "X-aws-ec2-metadata-token", "X-Api-Key"}) {
        CAPTURE(name);
        CHECK(masked_header(name, "hunter2") == "***");
    }
    CHECK(masked_header("ETag", "\"1\"") == "\"1\"");
    CHECK(masked_header("x-amz-content-sha256", "ab") == "ab");
    CHECK(masked_header("Location", "https://h/?X-Amz-Signature=s") ==
          "https://h/?X-Amz-Signature=***");
}

TEST_CASE("an exchange fits a line")
{
    HttpLogEntry entry;
    entry.method = "PUT";
    entry.url = "https://h/k";
    entry.status = 200;
    entry.seconds = 0.1234;
    entry.bytes_sent = 1024;
    CHECK(log_line(entry) == "PUT https://h/k 200 in 0.123 s, 1.00 KiB sent, 0 B received");
    entry.error = "stalled";
    CHECK(log_line(entry) == "PUT https://h/k stalled in 0.123 s, 1.00 KiB sent, 0 B received");
}
