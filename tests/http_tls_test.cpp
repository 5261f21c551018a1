#include "net/http_client.hpp"

#include "net/pinned_key.hpp"
#include "support/fake_http_server.hpp"
#include "support/test_certificate.hpp"

#include <doctest/doctest.h>
#include <optional>

using namespace backstay::core;

namespace
{

/// An authority, another one, and a server of the first under the name localhost.
struct Fixture {
    TempDir folder;
    TestCertificate authority = TestCertificate::authority();
    TestCertificate stranger = TestCertificate::authority();
    TestCertificate server_certificate{{"localhost"}, &authority};

    Fixture()
    {
        authority.write(folder / "ca.pem", folder / "ca.key");
        stranger.write(folder / "stranger.pem", folder / "stranger.key");
    }

    FakeTls tls(const TestCertificate& certificate)
    {
        certificate.write(folder / "server.pem", folder / "server.key");
        FakeTls tls;
        tls.certificate = folder / "server.pem";
        tls.key = folder / "server.key";
        return tls;
    }

    HttpClientOptions trusting(const char* ca = "ca.pem")
    {
        HttpClientOptions options;
        options.tls.ca_file = folder / ca;
        options.proxy.url = "";
        return options;
    }
};

void answer(const FakeRequest&, FakeConnection& connection)
{
    connection.reply(200, "secret");
}

HttpReply fetch(const HttpClientOptions& options, const std::string& url)
{
    HttpClient client(options);
    HttpRequest request;
    request.url = url;
    return client.send(request);
}

/// Must fail before anything is sent, for `words`.
void check_refused(const HttpClientOptions& options, const FakeHttpServer& server,
                   const std::string& words, const char* host = "localhost")
{
    try {
        fetch(options, server.url("/", host));
        FAIL("taken");
    } catch (const HttpError& error) {
        CAPTURE(std::string(error.what()));
        CHECK(error.failure() == HttpFailure::tls);
        CHECK(error.code() != ErrorCode::unavailable);
        CHECK(error.delivery() == Delivery::nothing_sent);
        CHECK(std::string(error.what()).find(words) != std::string::npos);
    }
    CHECK(server.requests() == 0);
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "a server is believed by the right authority alone")
{
    FakeHttpServer server(answer, tls(server_certificate));
    CHECK(fetch(trusting(), server.url("/", "localhost")).body == "secret");
    FakeHttpServer other(answer, tls(server_certificate));
    check_refused(trusting("stranger.pem"), other, "authority that is not trusted here");
    HttpClientOptions system;
    system.proxy.url = "";
    check_refused(system, other, "authority that is not trusted here");
}

TEST_CASE_FIXTURE(Fixture,
                  "a certificate that has expired, is not valid yet or has another name is refused")
{
    const TestCertificate expired({"localhost", -7200, -3600}, &authority);
    FakeHttpServer old(answer, tls(expired));
    check_refused(trusting(), old, "has expired");

    const TestCertificate early({"localhost", 3600, 7200}, &authority);
    FakeHttpServer future(answer, tls(early));
    check_refused(trusting(), future, "not valid yet");

    const TestCertificate elsewhere({"elsewhere.example"}, &authority);
    FakeHttpServer other(answer, tls(elsewhere));
    check_refused(trusting(), other, "is for another name");
}

TEST_CASE_FIXTURE(Fixture, "a pinned key is demanded beside the authority")
{
    HttpClientOptions options = trusting();
    options.tls.pinned_keys = {stranger.pin(), server_certificate.pin()};
    FakeHttpServer server(answer, tls(server_certificate));
    CHECK(fetch(options, server.url("/", "localhost")).status == 200);

    const TestCertificate impostor({"localhost"}, &authority);
    FakeHttpServer other(answer, tls(impostor));
    check_refused(options, other, "another public key than the one pinned");

    options.tls.pinned_keys = {"sha256//nonsense"};
    CHECK_THROWS_AS(HttpClient{options}, Error);
}

TEST_CASE("pinned keys are written as for curl, and anything else is refused")
{
    const std::string one = TestCertificate::authority().pin();
    const std::string two = TestCertificate::authority().pin();
    CHECK(parse_pinned_keys("sha256//" + one) == std::vector<std::string>{one});
    CHECK(parse_pinned_keys("sha256//" + one + ";sha256//" + two) ==
          std::vector<std::string>{one, two});
    const std::vector<std::string> wrongs{"",
                                          one,
                                          "sha256/" + one,
                                          "SHA256//" + one,
                                          "sha256//",
                                          "sha256//" + one + ";",
                                          "sha256//" + one + ";" + two,
                                          ";sha256//" + one,
                                          "sha256//" + one + "=",
                                          "sha256//" + one.substr(1),
                                          "sha256//" + std::string(43, ' ') + "=",
                                          "sha256//" + one.substr(0, 43) + "A",
                                          "/etc/ssl/key.pem"};
    for (const std::string& wrong : wrongs) {
        CAPTURE(wrong);
        CHECK_THROWS_AS(parse_pinned_keys(wrong), Error);
    }
}

TEST_CASE_FIXTURE(Fixture, "a server that asks for a client's certificate gets it")
{
    FakeTls demanding = tls(server_certificate);
    demanding.client_ca = folder / "ca.pem";
    FakeHttpServer server(answer, demanding);
    try {
        fetch(trusting(), server.url("/", "localhost"));
        FAIL("taken");
    } catch (const HttpError& error) {
        CAPTURE(std::string(error.what()));
        CHECK(error.failure() == HttpFailure::tls);
        CHECK(error.code() == ErrorCode::denied);
    }
    const TestCertificate mine({"me.example"}, &authority);
    mine.write(folder / "me.pem", folder / "me.key");
    HttpClientOptions options = trusting();
    options.tls.client_certificate = folder / "me.pem";
    options.tls.client_key = folder / "me.key";
    CHECK(fetch(options, server.url("/", "localhost")).body == "secret");

    options.tls.client_key = folder / "absent.key";
    CHECK_THROWS_AS(HttpClient{options}, Error);
}

TEST_CASE_FIXTURE(Fixture, "nothing older than TLS 1.2 is spoken, and no TLS is not TLS")
{
    FakeTls old = tls(server_certificate);
    old.newest_version = TLS1_1_VERSION;
    FakeHttpServer antique(answer, old);
    check_refused(trusting(), antique, "TLS 1.2 or later");

    FakeHttpServer plain(answer);
    try {
        fetch(trusting(), "https://localhost:" + std::to_string(plain.port()) + "/");
        FAIL("taken");
    } catch (const HttpError& error) {
        CHECK(std::string(error.what()).find("does not speak TLS") != std::string::npos);
        CHECK(error.failure() == HttpFailure::tls);
        CHECK(error.delivery() == Delivery::nothing_sent);
    }
}

TEST_CASE_FIXTURE(Fixture, "large bodies pass through TLS both ways")
{
    const std::string large(5 * MiB + 3, 'q');
    FakeHttpServer server(
        [&](const FakeRequest&, FakeConnection& connection) {
            connection.reply(200, connection.body() == large ? large : "differs");
        },
        tls(server_certificate));
    HttpClient client(trusting());
    Bytes buffer(large.size());
    for (int i = 0; i < 2; ++i) {
        HttpRequest request;
        request.method = "PUT";
        request.url = server.url("/", "localhost");
        request.body = as_bytes(large);
        request.reply_buffer = buffer;
        CHECK(client.send(request).body_size == large.size());
        CHECK(as_text(buffer) == large);
    }
    CHECK(server.connections() == 1);
    CHECK(server.problems().empty());
}
