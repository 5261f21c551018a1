#include "net/http_client.hpp"

#include "base/clock.hpp"
#include "support/fake_http_server.hpp"
#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>
#include <optional>
#include <thread>

using namespace backstay::core;
using namespace std::chrono_literals;

namespace
{

HttpRequest get(const std::string& url)
{
    HttpRequest request;
    request.url = url;
    return request;
}

HttpRequest put(const std::string& url, std::string_view body)
{
    HttpRequest request;
    request.method = "PUT";
    request.url = url;
    request.body = as_bytes(body);
    return request;
}

/// What send() throws, if it throws an HttpError.
std::optional<HttpError> failure_of(HttpClient& client, const HttpRequest& request,
                                    const std::stop_token& stop = {})
{
    try {
        client.send(request, stop);
    } catch (const HttpError& error) {
        return error;
    }
    return std::nullopt;
}

void check_failure(const std::optional<HttpError>& error, HttpFailure failure, Delivery delivery)
{
    REQUIRE(error);
    CAPTURE(std::string(error->what()));
    CHECK(std::string(http_failure_name(error->failure())) == http_failure_name(failure));
    CHECK(error->delivery() == delivery);
}

/// Answers every request with the same bytes and closes.
FakeHttpServer::Handler raw(std::string bytes)
{
    return [bytes = std::move(bytes)](const FakeRequest&, FakeConnection& connection) {
        connection.body();
        connection.send(bytes);
        connection.close();
    };
}

void answer_ok(const FakeRequest&, FakeConnection& connection)
{
    connection.body();
    connection.reply(200, "fine");
}

class PatternSource : public BodySource
{
public:
    PatternSource(std::string bytes, std::optional<std::uint64_t> size, std::size_t step)
        : bytes_(std::move(bytes)), size_(size), step_(step)
    {
    }
    std::optional<std::uint64_t> size() const override { return size_; }
    std::size_t read(MutableByteSpan buffer) override
    {
        const std::size_t part = std::min({buffer.size(), step_, bytes_.size() - position_});
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(position_), part, buffer.begin());
        position_ += part;
        return part;
    }

private:
    std::string bytes_;
    std::optional<std::uint64_t> size_;
    std::size_t step_;
    std::size_t position_ = 0;
};

class StringSink : public BodySink
{
public:
    void begin(const HttpReply& head) override
    {
        CHECK(text.empty());
        status = head.status;
    }
    void write(ByteSpan bytes) override { text += as_text(bytes); }

    int status = 0;
    std::string text;
};

/// A plain socket on the loopback interface.
class Socket
{
public:
    Socket() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
    ~Socket() { ::close(descriptor_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    std::uint16_t listen_for_one() const
    {
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        REQUIRE(::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(descriptor_, 0) == 0);
        REQUIRE(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        return ntohs(address.sin_port);
    }
    /// Does not wait for it.
    void connect_to(std::uint16_t port) const
    {
        const sockaddr_in address = loopback(port);
        ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }

private:
    static sockaddr_in loopback(std::uint16_t port)
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        return address;
    }
    int descriptor_;
};

std::string sample(std::size_t size)
{
    const Bytes bytes = seeded_bytes(7, size);
    return std::string(as_text(bytes));
}

double seconds_of(const std::function<void()>& work)
{
    const double begin = monotonic_seconds();
    work();
    return monotonic_seconds() - begin;
}

} // namespace

TEST_CASE("a connection serves one request after the other")
{
    FakeHttpServer server([](const FakeRequest& request, FakeConnection& connection) {
        connection.reply(200, request.target, {{"X-Thing", "  spaced  "}, {"Empty", ""}});
    });
    HttpClient client;
    for (int i = 0; i < 5; ++i) {
        const HttpReply reply = client.send(get(server.url("/" + std::to_string(i))));
        CHECK(reply.status == 200);
        CHECK(reply.ok());
        CHECK(reply.body == "/" + std::to_string(i));
        CHECK(reply.body_size == 2);
        CHECK(reply.header("x-thing") == "spaced");
        CHECK(reply.header("empty") == "");
        CHECK_FALSE(reply.header("absent"));
        CHECK(reply.kept_connection == (i > 0));
        CHECK(reply.remote_address == "127.0.0.1");
    }
    CHECK(server.connections() == 1);
    CHECK(server.problems().empty());
    CHECK(client.counters().requests == 5);
    CHECK(client.counters().connections == 1);
    CHECK(client.counters().bytes_received == 10);
}

TEST_CASE("a request goes out byte for byte, and nothing is added that would break a signature")
{
    FakeRequest seen;
    std::string body;
    FakeHttpServer server([&](const FakeRequest& request, FakeConnection& connection) {
        seen = request;
        body = connection.body();
        connection.reply(200);
    });
    HttpClient client;

    HttpRequest request = put(server.url("/a/../b//c%2F+%20?z=&a&b=%2f"), "12345");
    request.headers = {{"X-One", "1"}, {"x-one", "2"}, {"X-Empty", ""}, {"Content-Length", "5"}};
    CHECK(client.send(request).status == 200);
    CHECK(seen.method == "PUT");
    CHECK(seen.target == "/a/../b//c%2F+%20?z=&a&b=%2f");
    CHECK(body == "12345");
    const HeaderList expected{{"Host", "127.0.0.1:" + std::to_string(server.port())},
                              {"User-Agent", "backstay"},
                              {"X-One", "1"},
                              {"x-one", "2"},
                              {"X-Empty", ""},
                              {"Content-Length", "5"}};
    CHECK(seen.headers == expected);

    request = get(server.url());
    request.method = "POST";
    client.send(request);
    CHECK(seen.header("content-length") == "0");
    CHECK(seen.header("content-type").empty());

    request.method = "DELETE";
    client.send(request);
    CHECK(seen.method == "DELETE");
    CHECK(seen.header("content-length").empty());

    request.method = "GET"; // a search with a body
    request.body = as_bytes("{}");
    client.send(request);
    CHECK(seen.method == "GET");
    CHECK(body == "{}");
    CHECK(server.problems().empty());
    CHECK(server.connections() == 1);
}

TEST_CASE("a large body waits for 100-continue, so that a refusal costs nothing")
{
    const std::string large = sample(3 * MiB);
    bool refuse = false;
    std::string body;
    FakeHttpServer server([&](const FakeRequest& request, FakeConnection& connection) {
        CHECK(request.header("expect") == "100-continue");
        if (refuse) {
            connection.reply(403, "no");
            connection.close();
            return;
        }
        body = connection.body();
        connection.reply(200);
    });
    HttpClient client;
    const HttpReply stored = client.send(put(server.url(), large));
    CHECK(stored.status == 200);
    CHECK(stored.bytes_sent == large.size());
    CHECK(body == large);

    refuse = true;
    const HttpReply refused = client.send(put(server.url(), large));
    CHECK(refused.status == 403);
    CHECK(refused.body == "no");
    CHECK(refused.bytes_sent == 0);
}

TEST_CASE("a server that knows no expectation gets the request again without it")
{
    std::string body;
    FakeHttpServer server([&](const FakeRequest& request, FakeConnection& connection) {
        if (!request.header("expect").empty()) {
            connection.reply(417, "what?");
            connection.close();
            return;
        }
        body = connection.body();
        connection.reply(200, "fine");
    });
    HttpClient client;
    const std::string large = sample(2 * MiB);
    const HttpReply reply = client.send(put(server.url(), large));
    CHECK(reply.status == 200);
    CHECK(reply.body == "fine");
    CHECK(body == large);
}

TEST_CASE("a body streams out of a source, with a length or in chunks")
{
    std::string body;
    std::string length;
    FakeHttpServer server([&](const FakeRequest& request, FakeConnection& connection) {
        length = request.header("content-length");
        body = connection.body();
        connection.reply(200);
    });
    HttpClient client;
    const std::string content = sample(700'000);
    for (const std::size_t step : {std::size_t{777}, std::size_t{1'000'000}}) {
        for (const bool known : {true, false}) {
            CAPTURE(known);
            PatternSource source(
                content, known ? std::optional<std::uint64_t>(content.size()) : std::nullopt, step);
            HttpRequest request = put(server.url(), "");
            request.body_source = &source;
            CHECK(client.send(request).status == 200);
            CHECK(body == content);
            CHECK(length == (known ? "700000" : ""));
        }
    }
    CHECK(server.problems().empty());
}

TEST_CASE("a source that breaks its word or throws ends the exchange with its own error")
{
    FakeHttpServer server(answer_ok);
    HttpClient client;
    PatternSource brief("abc", 10, 100);
    HttpRequest request = put(server.url(), "");
    request.body_source = &brief;
    CHECK_THROWS_WITH_AS(client.send(request),
                         "the body ended after 3 bytes of the 10 that were announced", Error);

    struct Throwing : BodySource {
        std::size_t read(MutableByteSpan) override { throw std::runtime_error("disk on fire"); }
    } throwing;
    request.body_source = &throwing;
    CHECK_THROWS_WITH_AS(client.send(request), "disk on fire", std::runtime_error);
    CHECK(client.send(get(server.url())).body == "fine");
}

TEST_CASE("a reply streams into a sink, errors do not")
{
    const std::string content = sample(900'000);
    FakeHttpServer server([&](const FakeRequest& request, FakeConnection& connection) {
        if (request.target == "/missing") {
            connection.reply(404, "<Error/>");
        } else if (request.target == "/empty") {
            connection.reply(200);
        } else {
            connection.reply(206, content);
        }
    });
    HttpClient client;
    StringSink sink;
    HttpRequest request = get(server.url());
    request.reply_sink = &sink;
    HttpReply reply = client.send(request);
    CHECK(sink.status == 206);
    CHECK(sink.text == content);
    CHECK(reply.body.empty());
    CHECK(reply.body_size == content.size());

    StringSink untouched;
    request = get(server.url("/missing"));
    request.reply_sink = &untouched;
    reply = client.send(request);
    CHECK(reply.status == 404);
    CHECK(reply.body == "<Error/>");
    CHECK(untouched.status == 0);

    StringSink empty;
    request = get(server.url("/empty"));
    request.reply_sink = &empty;
    client.send(request);
    CHECK(empty.status == 200);

    struct Throwing : BodySink {
        void write(ByteSpan) override { throw std::runtime_error("no room"); }
    } throwing;
    request = get(server.url());
    request.reply_sink = &throwing;
    CHECK_THROWS_WITH_AS(client.send(request), "no room", std::runtime_error);
    CHECK(client.send(get(server.url("/missing"))).status == 404);
}

TEST_CASE("a slow sink holds the server back instead of piling bytes up")
{
    std::atomic<std::size_t> sent = 0;
    constexpr std::size_t pieces = 64;
    const std::string piece = sample(MiB);
    FakeHttpServer server([&](const FakeRequest&, FakeConnection& connection) {
        connection.send(FakeConnection::head(200, pieces * piece.size()));
        for (std::size_t i = 0; i < pieces; ++i) {
            connection.send(piece);
            sent += piece.size();
        }
    });
    struct Slow : BodySink {
        explicit Slow(const std::atomic<std::size_t>& total) : sent(total) {}
        void write(ByteSpan bytes) override
        {
            if (taken == 0) {
                std::this_thread::sleep_for(300ms);
                // What the kernel buffers of two sockets hold, and no more.
                CHECK(sent.load() < 32 * MiB);
            }
            taken += bytes.size();
        }
        const std::atomic<std::size_t>& sent;
        std::size_t taken = 0;
    } sink(sent);
    HttpClientOptions options;
    options.stall = {MiB, 100ms}; // to be held back is no stall
    HttpClient client(options);
    HttpRequest request = get(server.url());
    request.reply_sink = &sink;
    client.send(request);
    CHECK(sink.taken == pieces * piece.size());
}

TEST_CASE("a reply is written straight into a buffer, never beyond it")
{
    const std::string content = sample(300'000);
    FakeHttpServer server(
        [&](const FakeRequest&, FakeConnection& connection) { connection.reply(206, content); });
    HttpClient client;
    Bytes buffer(content.size() + 5, 0xee);
    HttpRequest request = get(server.url());
    request.reply_buffer = buffer;
    CHECK(client.send(request).body_size == content.size());
    CHECK(as_text(buffer).substr(0, content.size()) == content);
    CHECK(buffer[content.size()] == 0xee);

    request.reply_buffer = MutableByteSpan(buffer).first(1000);
    std::fill(buffer.begin(), buffer.end(), std::uint8_t{0xee});
    check_failure(failure_of(client, request), HttpFailure::too_large, Delivery::maybe_sent);
    CHECK(buffer[1000] == 0xee);
}

TEST_CASE("a reply kept in memory has a limit")
{
    std::atomic<int> status = 200;
    FakeHttpServer server([&](const FakeRequest&, FakeConnection& connection) {
        connection.reply(status, std::string(100'000, 'x'));
    });
    HttpClient client;
    HttpRequest request = get(server.url());
    request.reply_limit = 1000;
    check_failure(failure_of(client, request), HttpFailure::too_large, Delivery::maybe_sent);
    status = 500;
    const HttpReply reply = client.send(request);
    CHECK(reply.status == 500);
    CHECK(reply.body_cut);
    CHECK(reply.body == std::string(1000, 'x'));
}

TEST_CASE("a redirect is a reply like any other")
{
    FakeHttpServer server([](const FakeRequest&, FakeConnection& connection) {
        connection.reply(307, "elsewhere", {{"Location", "http://127.0.0.1:1/"}});
    });
    HttpClient client;
    const HttpReply reply = client.send(get(server.url()));
    CHECK(reply.status == 307);
    CHECK(reply.header("location") == "http://127.0.0.1:1/");
    CHECK(server.requests() == 1);
}

TEST_CASE("what is not HTTP is refused as such")
{
    std::string many = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 300; ++i) {
        many += "X-" + std::to_string(i) + ": 1\r\n";
    }
    std::string informational;
    for (int i = 0; i < 5000; ++i) {
        informational += "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    }
    const std::vector<std::string> replies{
        "what is this\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Huge: " + std::string(90'000, 'h') + "\r\n\r\n",
        many + "Content-Length: 0\r\n\r\n",
        informational,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    };
    for (const std::string& bytes : replies) {
        CAPTURE(bytes.substr(0, 60));
        FakeHttpServer server(raw(bytes));
        HttpClient client;
        const auto error = failure_of(client, get(server.url()));
        check_failure(error, HttpFailure::protocol, Delivery::maybe_sent);
        CHECK(error->code() == ErrorCode::storage);
    }
}

TEST_CASE("a header that is too large for libcurl is told as too large")
{
    for (const std::string start : {"HTTP/1.1 200 OK\r\nX-Huge: ", "HTTP/1.1 200 O"}) {
        CAPTURE(start);
        FakeHttpServer server(raw(start + std::string(3 * MiB, 'K') + "\r\n\r\n"));
        HttpClient client;
        const auto error = failure_of(client, get(server.url()));
        check_failure(error, HttpFailure::protocol, Delivery::maybe_sent);
        CHECK(error->code() == ErrorCode::storage);
        CHECK(std::string(error->what()).find("too large") != std::string::npos);
    }
}

TEST_CASE("a reply that breaks off is told from a whole one")
{
    for (const char* bytes : {
             "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
             "",
         }) {
        CAPTURE(bytes);
        FakeHttpServer server(raw(bytes));
        HttpClient client;
        const auto error = failure_of(client, get(server.url()));
        check_failure(error, HttpFailure::connection_lost, Delivery::maybe_sent);
        CHECK(error->code() == ErrorCode::unavailable);
    }
}

TEST_CASE("a kept connection that dies under a request is retried only where that is harmless")
{
    std::atomic<int> served = 0;
    FakeHttpServer server([&](const FakeRequest&, FakeConnection& connection) {
        connection.body();
        // The second request of each connection is swallowed.
        if (++served % 2 == 0) {
            connection.close();
            return;
        }
        connection.reply(200, "fine");
    });
    HttpClient client;
    CHECK(client.send(get(server.url())).status == 200);
    CHECK(client.send(get(server.url())).status == 200); // swallowed once, then on a fresh one
    CHECK(server.requests() == 3);

    check_failure(failure_of(client, put(server.url(), "x")), HttpFailure::connection_lost,
                  Delivery::maybe_sent);
    CHECK(server.requests() == 4);

    CHECK(client.send(get(server.url())).status == 200);
    HttpRequest again = put(server.url(), "x");
    again.repeatable = true;
    CHECK(client.send(again).status == 200);
    CHECK(server.requests() == 7);
}

TEST_CASE("nobody listening, and a name that is none, are told before anything is sent")
{
    std::string url;
    {
        FakeHttpServer server(answer_ok);
        url = server.url();
    }
    HttpClient client;
    auto error = failure_of(client, get(url));
    check_failure(error, HttpFailure::connect, Delivery::nothing_sent);
    CHECK(error->code() == ErrorCode::unavailable);
    CHECK(error->subject() == url);

    error = failure_of(client, get("http://" + std::string(70, 'a') + ".invalid/"));
    check_failure(error, HttpFailure::resolve, Delivery::nothing_sent);
    CHECK(error->code() == ErrorCode::unavailable);
}

TEST_CASE("a server that takes no connection in time is given up, with nothing sent")
{
    // A queue of one that nobody empties: the kernel drops who comes after.
    const Socket full;
    const std::uint16_t port = full.listen_for_one();
    const Socket first;
    first.connect_to(port);
    const Socket second;
    second.connect_to(port);
    HttpClient client;
    HttpRequest request = get("http://127.0.0.1:" + std::to_string(port) + "/");
    request.connect_timeout = 200ms;
    CHECK(seconds_of([&] {
              check_failure(failure_of(client, request), HttpFailure::connect,
                            Delivery::nothing_sent);
          }) < 1.0);
}

TEST_CASE("a server that has seen enough of a body is heard at once")
{
    FakeHttpServer server([](const FakeRequest&, FakeConnection& connection) {
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        connection.some_body(1);
        connection.reply(503, "<Code>SlowDown</Code>", {{"Connection", "close"}});
        connection.await_close();
        connection.close();
    });
    HttpClient client;
    const std::string large = sample(24 * MiB);
    HttpRequest request = put(server.url(), large);
    request.deadline = 5s;
    const HttpReply reply = client.send(request);
    CHECK(reply.status == 503);
    CHECK(reply.body == "<Code>SlowDown</Code>");
}

TEST_CASE("a request that failed says how much of its body had gone out, and how much had come")
{
    FakeHttpServer server([](const FakeRequest& request, FakeConnection& connection) {
        if (request.method == "GET") {
            connection.send(FakeConnection::head(200, 100) + "seven__");
            connection.close();
            return;
        }
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        connection.some_body(MiB);
        connection.reset();
    });
    HttpClient client;
    const std::string large = sample(48 * MiB);
    auto error = failure_of(client, put(server.url(), large));
    check_failure(error, HttpFailure::connection_lost, Delivery::maybe_sent);
    CHECK(error->bytes_sent() >= MiB);
    CHECK(error->bytes_sent() < large.size());
    CHECK(error->bytes_received() == 0);

    error = failure_of(client, get(server.url()));
    REQUIRE(error);
    CHECK(error->bytes_sent() == 0);
    CHECK(error->bytes_received() == 7);

    error = failure_of(client, put("http://127.0.0.1:1/", large));
    check_failure(error, HttpFailure::connect, Delivery::nothing_sent);
    CHECK(error->bytes_sent() == 0);
}

TEST_CASE("a deadline and a stall end a request, each by its name")
{
    FakeHttpServer server([](const FakeRequest& request, FakeConnection& connection) {
        if (request.target == "/drip") {
            connection.send(FakeConnection::head(200, 100'000));
            for (int i = 0; i < 1000; ++i) {
                connection.send("x");
                connection.sleep(10ms);
            }
        }
        connection.await_close();
    });
    HttpClient client;
    HttpRequest request = get(server.url("/silent"));
    request.deadline = 200ms;
    CHECK(seconds_of([&] {
              check_failure(failure_of(client, request), HttpFailure::timeout,
                            Delivery::maybe_sent);
          }) < 1.0);

    for (const char* target : {"/silent", "/drip"}) {
        CAPTURE(target);
        request = get(server.url(target));
        request.stall = StallLimit{10'000, 300ms};
        CHECK(seconds_of([&] {
                  check_failure(failure_of(client, request), HttpFailure::stalled,
                                Delivery::maybe_sent);
              }) < 1.5);
    }
    request = get(server.url("/drip"));
    request.stall = StallLimit{10, 200ms}; // slow, but not that slow
    request.deadline = 600ms;
    check_failure(failure_of(client, request), HttpFailure::timeout, Delivery::maybe_sent);
}

TEST_CASE("a stop ends a request within 200 ms wherever it is")
{
    const std::string large = sample(16 * MiB);
    FakeHttpServer server([](const FakeRequest& request, FakeConnection& connection) {
        if (request.method == "GET") {
            connection.send(FakeConnection::head(200, 1000) + "some");
        } else {
            connection.send("HTTP/1.1 100 Continue\r\n\r\n");
            connection.some_body(1);
        }
        connection.sleep(10s);
    });
    HttpClientOptions options;
    options.connections = 1;
    HttpClient client(options);
    std::stop_source first;
    std::jthread downloading([&] {
        check_failure(failure_of(client, get(server.url()), first.get_token()),
                      HttpFailure::cancelled, Delivery::maybe_sent);
    });
    std::this_thread::sleep_for(100ms);
    std::stop_source second;
    std::jthread queued([&] {
        check_failure(failure_of(client, get(server.url()), second.get_token()),
                      HttpFailure::cancelled, Delivery::nothing_sent);
    });
    std::this_thread::sleep_for(50ms);
    CHECK(seconds_of([&] {
              second.request_stop();
              queued.join();
          }) < 0.2);
    CHECK(seconds_of([&] {
              first.request_stop();
              downloading.join();
          }) < 0.2);

    std::stop_source third;
    std::jthread uploading([&] {
        check_failure(failure_of(client, put(server.url(), large), third.get_token()),
                      HttpFailure::cancelled, Delivery::maybe_sent);
    });
    std::this_thread::sleep_for(200ms);
    CHECK(seconds_of([&] {
              third.request_stop();
              uploading.join();
          }) < 0.2);

    std::stop_source before;
    before.request_stop();
    CHECK_THROWS_AS(client.send(get(server.url()), before.get_token()), Error);
}

TEST_CASE("all transfers together keep to one bandwidth, each way, and are not taken for stalled")
{
    const std::string content = sample(200'000);
    FakeHttpServer server([&](const FakeRequest& request, FakeConnection& connection) {
        connection.body();
        connection.reply(200, request.method == "GET" ? content : "");
    });
    HttpClientOptions options;
    options.bandwidth = {1'000'000, 1'000'000};
    options.stall = {200'000, 100ms};
    HttpClient client(options);
    for (const bool up : {false, true}) {
        CAPTURE(up);
        const double time = seconds_of([&] {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 4; ++i) {
                threads.emplace_back([&] {
                    const HttpRequest request = up ? put(server.url(), content) : get(server.url());
                    CHECK(client.send(request).status == 200);
                });
            }
        });
        CHECK(time > 0.6); // 800 kB less a burst
        CHECK(time < 2.5);
    }
    client.set_bandwidth({});
    CHECK(seconds_of([&] { client.send(get(server.url())); }) < 0.15);
}

TEST_CASE("a proxy gets the requests that are meant for it")
{
    std::atomic<int> proxied = 0;
    FakeHttpServer proxy([&](const FakeRequest& request, FakeConnection& connection) {
        ++proxied;
        if (request.method == "CONNECT") {
            connection.reply(407);
            connection.close();
            return;
        }
        CHECK(request.header("proxy-authorization") == "Basic dXNlcjpodW50ZXIy");
        connection.reply(200, request.target);
    });
    FakeHttpServer server(answer_ok);
    HttpClientOptions options;
    options.proxy.url = "http://user:hunter2@127.0.0.1:" + std::to_string(proxy.port());
    options.proxy.no_proxy = "localhost";
    HttpClient client(options);
    CHECK(client.send(get("http://far.example/x?y")).body == "http://far.example/x?y");
    CHECK(client.send(get(server.url("/", "localhost"))).body == "fine");
    HttpRequest direct = get(server.url());
    direct.bypass_proxy = true;
    CHECK(client.send(direct).body == "fine");
    CHECK(proxied == 1);

    const auto error = failure_of(client, get("https://far.example/"));
    check_failure(error, HttpFailure::connect, Delivery::nothing_sent);
    CHECK(error->code() == ErrorCode::denied);
    CHECK(std::string(error->what()).find("hunter2") == std::string::npos);
}

TEST_CASE("a proxy that makes no sense is told as such, and its password is not")
{
    for (const std::string proxy :
         {"http://us3r:s3cretpw@127.0.0.1:99999", "ht!tp://us3r:s3cretpw@x",
          "foo5://us3r:s3cretpw@127.0.0.1:1", "us3r:s3cretpw@127.0.0.1:99999",
          "http://us3r:s3c/retpw@127.0.0.1:1", "http://us3r:p@s3cretpw@127.0.0.1:99999"}) {
        CAPTURE(proxy);
        HttpClientOptions options;
        options.proxy.url = proxy;
        HttpClient client(options);
        const auto error = failure_of(client, get("http://far.example/"));
        check_failure(error, HttpFailure::invalid_request, Delivery::nothing_sent);
        CHECK(error->code() == ErrorCode::invalid);
        const std::string text = error->what();
        CHECK(text.find("http_proxy") != std::string::npos);
        CHECK(text.find("s3c") == std::string::npos);
        CHECK(text.find("us3r") == std::string::npos);
    }
}

TEST_CASE("a proxy whose name has no address is told from a server that has none")
{
    HttpClientOptions options;
    options.proxy.url = "http://us3r:s3cretpw@" + std::string(70, 'a') + ".invalid:1";
    HttpClient client(options);
    const auto error = failure_of(client, get("http://far.example/"));
    check_failure(error, HttpFailure::resolve, Delivery::nothing_sent);
    CHECK(error->code() == ErrorCode::unavailable);
    CHECK(std::string(error->what()).find("the proxy's name") != std::string::npos);
    CHECK(std::string(error->what()).find("s3cretpw") == std::string::npos);
}

TEST_CASE("a request that could say something else than it means is not sent")
{
    FakeHttpServer server(answer_ok);
    HttpClient client;
    const auto refused = [&](const std::function<void(HttpRequest&)>& spoil) {
        HttpRequest request = get(server.url());
        spoil(request);
        check_failure(failure_of(client, request), HttpFailure::invalid_request,
                      Delivery::nothing_sent);
    };
    refused([](HttpRequest& r) { r.headers = {{"X", "a\r\nY: b"}}; });
    refused([](HttpRequest& r) { r.headers = {{"X\r\n", "a"}}; });
    refused([](HttpRequest& r) { r.headers = {{"X", std::string("a\0b", 3)}}; });
    refused([](HttpRequest& r) { r.headers = {{"", "a"}}; });
    refused([](HttpRequest& r) { r.headers = {{"Transfer-Encoding", "chunked"}}; });
    refused([](HttpRequest& r) { r.method = "GET / HTTP/1.1\r\nX:"; });
    refused([](HttpRequest& r) { r.method = ""; });
    refused([](HttpRequest& r) { r.url = ""; });
    refused([](HttpRequest& r) { r.url = "file:///etc/passwd"; });
    refused([](HttpRequest& r) { r.url = "http://"; });
    refused([](HttpRequest& r) { r.url += "a b"; });
    refused([](HttpRequest& r) { r.url += "\xc3\xa4"; });
    refused([](HttpRequest& r) { r.url = "http://me:secret@127.0.0.1/"; });
    refused([](HttpRequest& r) { r.url = "http://127.0.0.1:99999/"; });
    CHECK(server.requests() == 0);
}

TEST_CASE("many threads share the client and its connections")
{
    FakeHttpServer server([](const FakeRequest& request, FakeConnection& connection) {
        connection.reply(200, connection.body() + request.target);
    });
    HttpClientOptions options;
    options.connections = 4;
    std::atomic<int> logged = 0;
    options.log = [&](const HttpLogEntry& entry) {
        CHECK(entry.status == 200);
        ++logged;
    };
    {
        HttpClient client(options);
        std::vector<std::jthread> threads;
        for (int t = 0; t < 12; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < 25; ++i) {
                    const std::string name = "/" + std::to_string(t) + "/" + std::to_string(i);
                    if (i % 3 == 0) {
                        StringSink sink;
                        PatternSource source("body", std::nullopt, 3);
                        HttpRequest request = put(server.url(name), "");
                        request.body_source = &source;
                        request.reply_sink = &sink;
                        client.send(request);
                        CHECK(sink.text == "body" + name);
                    } else {
                        CHECK(client.send(put(server.url(name), "12")).body == "12" + name);
                    }
                }
            });
        }
        threads.clear();
        CHECK(client.counters().requests == 300);
        CHECK(server.connections() <= 6);
    }
    CHECK(logged == 300);
    CHECK(server.problems().empty());
}

TEST_CASE("the request log tells everything but secrets, and cannot fail a request")
{
    FakeHttpServer server([](const FakeRequest&, FakeConnection& connection) {
        connection.body();
        connection.reply(200, "fine", {{"Set-Cookie", "hunter2"}, {"ETag", "\"1\""}});
    });
    std::vector<HttpLogEntry> entries;
    HttpClientOptions options;
    options.log = [&](const HttpLogEntry& entry) {
        entries.push_back(entry);
        throw std::runtime_error("the log is full");
    };
    HttpClient client(options);
    HttpRequest request = put(server.url("/key?X-Amz-Signature=hunter2&part=1"), "abc");
    request.headers = {{"Authorization", "hunter2"}, {"X-Amz-Date", "today"}};
    CHECK(client.send(request).status == 200);
    request.url = "http://127.0.0.1:1/?X-Amz-Security-Token=hunter2";
    const auto error = failure_of(client, request);
    REQUIRE(error);
    CHECK(error->subject().find("hunter2") == std::string::npos);

    REQUIRE(entries.size() == 2);
    CHECK(entries[0].url == server.url("/key?X-Amz-Signature=***&part=1"));
    CHECK(entries[0].request_headers ==
          HeaderList{{"Authorization", "***"}, {"X-Amz-Date", "today"}});
    CHECK(find_header(entries[0].reply_headers, "set-cookie") == "***");
    CHECK(find_header(entries[0].reply_headers, "etag") == "\"1\"");
    CHECK(entries[0].bytes_sent == 3);
    CHECK(entries[0].bytes_received == 4);
    CHECK(entries[1].status == 0);
    CHECK(entries[1].error == "connect");
}
