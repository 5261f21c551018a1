#include "store/http_url.hpp"

#include "base/error.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("a URL falls into its parts, and comes together again")
{
    const HttpUrl url = parse_http_url("HTTPS://Example.COM:8443/a%20b/c?x=1&y#part");
    CHECK(url.scheme == "https");
    CHECK(url.host == "example.com");
    CHECK(url.port == 8443);
    CHECK(url.path == "/a%20b/c");
    CHECK(url.query == "x=1&y");
    CHECK(url.authority() == "example.com:8443");
    CHECK(url.text() == "https://example.com:8443/a%20b/c?x=1&y");
}

TEST_CASE("the scheme's own port is not said")
{
    CHECK(parse_http_url("https://h:443/").authority() == "h");
    CHECK(parse_http_url("http://h:80/").authority() == "h");
    CHECK(parse_http_url("http://h:443/").authority() == "h:443");
    CHECK(parse_http_url("https://h?q").path.empty());
    CHECK(parse_http_url("http://[2001:DB8::1]:9000/x").authority() == "[2001:db8::1]:9000");
}

TEST_CASE("a URL that is none is refused")
{
    for (const std::string url :
         {"", "h/x", "ftp://h/", "https://", "https:///x", "https://h:/", "https://h:0/",
          "https://h:65536/", "https://h:12x/", "https://a b/", "http://[::1/", "http://[zz]/",
          "https://h\n/", "https://[::1]x:80/"}) {
        CAPTURE(url);
        CHECK_THROWS_AS(parse_http_url(url), Error);
    }
}

TEST_CASE("a password in a URL is refused and not repeated")
{
    try {
        parse_http_url("https://me:hush@h/");
        FAIL("accepted");
    } catch (const Error& e) {
        CHECK(e.code() == ErrorCode::invalid);
        CHECK(std::string(e.what()).find("hush") == std::string::npos);
        CHECK(e.subject().empty());
    }
}

TEST_CASE("percent encoding keeps what RFC 3986 leaves unreserved, and nothing else")
{
    std::string every;
    for (int c = 0; c < 256; ++c) {
        every += static_cast<char>(c);
    }
    CHECK(percent_decode(percent_encode(every)) == every);
    CHECK(percent_encode("-._~aZ9") == "-._~aZ9");
    CHECK(percent_encode("a b+c/d%\xc3\xa9*") == "a%20b%2Bc%2Fd%25%C3%A9%2A");
    CHECK(percent_encode("a b/c", Slash::kept) == "a%20b/c");
    CHECK(percent_decode("%2f%2F+%zz%4") == "//+%zz%4");
}

TEST_CASE("addresses are told from names")
{
    CHECK(is_ip_address("127.0.0.1"));
    CHECK(is_ip_address("[::1]"));
    CHECK_FALSE(is_ip_address("::1"));
    CHECK_FALSE(is_ip_address("localhost"));
    CHECK_FALSE(is_ip_address("1.2.3"));
    CHECK_FALSE(is_ip_address("[127.0.0.1]"));
}
