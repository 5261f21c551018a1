#pragma once

#include "net/header_list.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace backstay::core
{

/// What a client sent, up to the body.
struct FakeRequest {
    std::string method;
    std::string target; ///< as in the request line
    HeaderList headers;

    std::string header(std::string_view name) const
    {
        return std::string(find_header(headers, name).value_or(""));
    }
};

/// TLS for a FakeHttpServer: PEM files. With `client_ca` clients must show a certificate of it.
struct FakeTls {
    std::string certificate;
    std::string key;
    std::string client_ca;
    int newest_version = 0; ///< of TLS; 0: any
};

/// The server's side of one connection. Its calls throw FakeHttpServer's Gone when the client or
/// the test went away; handlers let it through.
class FakeConnection
{
public:
    struct Gone : std::runtime_error {
        Gone() : std::runtime_error("the connection is gone") {}
    };

    FakeConnection(int socket, SSL_CTX* context, const std::atomic<bool>& stop)
        : socket_(socket), stop_(stop)
    {
        if (context != nullptr) {
            tls_.reset(SSL_new(context));
            SSL_set_fd(tls_.get(), socket);
        }
    }
    ~FakeConnection() { ::close(socket_); }
    FakeConnection(const FakeConnection&) = delete;
    FakeConnection& operator=(const FakeConnection&) = delete;

    bool shake_hands()
    {
        if (!tls_ || SSL_accept(tls_.get()) == 1) {
            return true;
        }
        // Lingers: a reset could overtake the alert that says why.
        tls_.reset();
        ::shutdown(socket_, SHUT_WR);
        await_close();
        return false;
    }

    /// Bytes as they are.
    void send(std::string_view bytes)
    {
        while (!bytes.empty()) {
            await(POLLOUT);
            const ssize_t sent =
                tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                     : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent <= 0 && !(!tls_ && (errno == EAGAIN || errno == EINTR))) {
                throw Gone();
            }
            bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        }
    }

    void reply(int status, std::string_view body = {}, const HeaderList& headers = {})
    {
        send(head(status, body.size(), headers) + std::string(body));
    }

    static std::string head(int status, std::size_t length, const HeaderList& headers = {})
    {
        std::string text = "HTTP/1.1 " + std::to_string(status) + " Whatever\r\n";
        for (const auto& [name, value] : headers) {
            text.append(name).append(": ").append(value).append("\r\n");
        }
        return text + "Content-Length: " + std::to_string(length) + "\r\n\r\n";
    }

    /// The body of the request, all of it. Says "100 Continue" first where that is awaited.
    std::string body()
    {
        if (expects_) {
            send("HTTP/1.1 100 Continue\r\n\r\n");
            expects_ = false;
        }
        std::string result;
        body_read_ = true;
        if (!chunked_) {
            return take(length_);
        }
        while (true) {
            const std::size_t size = std::stoul(line(), nullptr, 16);
            result += take(size);
            if (!line().empty()) {
                throw std::runtime_error("a chunk does not end where it should");
            }
            if (size == 0) {
                return result;
            }
        }
    }

    /// Some of the body, as it comes.
    std::string some_body(std::size_t most) { return take(most); }

    /// Nothing more on this connection.
    void close() { closed_ = true; }
    /// The same, so that the client sees a reset.
    void reset()
    {
        const linger hard{1, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        closed_ = true;
    }

    /// Waits, but not beyond the end of the test.
    void sleep(std::chrono::milliseconds time)
    {
        const auto until = std::chrono::steady_clock::now() + time;
        while (std::chrono::steady_clock::now() < until) {
            if (stop_) {
                throw Gone();
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }
    /// Until the client closes the connection, or the test ends.
    void await_close()
    {
        char ignored[4096];
        while (read_some(ignored, sizeof ignored) > 0) {
        }
    }

private:
    friend class FakeHttpServer;

    struct FreeSsl {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };

    void await(short what)
    {
        pollfd descriptor{socket_, what, 0};
        while (::poll(&descriptor, 1, 10) == 0) {
            if (stop_) {
                throw Gone();
            }
        }
    }

    std::size_t read_some(char* to, std::size_t size)
    {
        if (!tls_ || SSL_pending(tls_.get()) == 0) {
            await(POLLIN);
        }
        const ssize_t got =
            tls_ ? SSL_read(tls_.get(), to, static_cast<int>(size)) : ::recv(socket_, to, size, 0);
        return got < 0 ? 0 : static_cast<std::size_t>(got);
    }

    void more()
    {
        char piece[65536];
        const std::size_t got = read_some(piece, sizeof piece);
        if (got == 0) {
            throw Gone();
        }
        buffer_.append(piece, got);
    }

    std::string take(std::size_t size)
    {
        while (buffer_.size() < size) {
            more();
        }
        std::string result = buffer_.substr(0, size);
        buffer_.erase(0, size);
        return result;
    }

    std::string line()
    {
        std::size_t end = 0;
        while ((end = buffer_.find("\r\n")) == std::string::npos) {
            more();
        }
        std::string result = buffer_.substr(0, end);
        buffer_.erase(0, end + 2);
        if (result.find('\n') != std::string::npos) {
            throw std::runtime_error("a line ends without a carriage return");
        }
        return result;
    }

    FakeRequest read_head()
    {
        FakeRequest request;
        if (buffer_.empty()) {
            more();
        }
        if (!tls_ && buffer_.front() == '\x16') { // a client that thinks this is TLS
            reply(400);
            throw Gone();
        }
        const std::string first = line();
        const std::size_t space = first.find(' ');
        const std::size_t end = first.rfind(" HTTP/1.1");
        if (space == std::string::npos || end == std::string::npos || end <= space ||
            end + 9 != first.size()) {
            throw std::runtime_error("no request line: " + first);
        }
        request.method = first.substr(0, space);
        request.target = first.substr(space + 1, end - space - 1);
        for (std::string field = line(); !field.empty(); field = line()) {
            const std::size_t colon = field.find(':');
            if (colon == std::string::npos || colon == 0 || field.front() == ' ') {
                throw std::runtime_error("no header: " + field);
            }
            const std::size_t value = field.find_first_not_of(' ', colon + 1);
            request.headers.emplace_back(field.substr(0, colon),
                                         value == std::string::npos ? "" : field.substr(value));
        }
        understand_body(request);
        return request;
    }

    void understand_body(const FakeRequest& request)
    {
        if (request.header("host").empty()) {
            throw std::runtime_error("a request without a host");
        }
        const std::string length = request.header("content-length");
        chunked_ = request.header("transfer-encoding") == "chunked";
        if (chunked_ && !length.empty()) {
            throw std::runtime_error("a body with two lengths");
        }
        length_ = length.empty() ? 0 : std::stoul(length);
        expects_ = request.header("expect") == "100-continue";
        body_read_ = length_ == 0 && !chunked_;
    }

    bool may_go_on() const { return !closed_ && body_read_; }

    int socket_;
    const std::atomic<bool>& stop_;
    std::unique_ptr<SSL, FreeSsl> tls_;
    std::string buffer_;
    std::size_t length_ = 0;
    bool chunked_ = false;
    bool expects_ = false;
    bool body_read_ = true;
    bool closed_ = false;
};

/// A strict HTTP/1.1 server on 127.0.0.1 for tests: every connection has a thread, every request
/// goes to a handler that may answer as badly as it likes. A connection is kept after a handler
/// that read the whole body and did not close it. Counts what it sees; what a client does wrong is
/// in problems().
class FakeHttpServer
{
public:
    using Handler = std::function<void(const FakeRequest&, FakeConnection&)>;

    explicit FakeHttpServer(Handler handler, const FakeTls& tls = {})
        : handler_(std::move(handler)), context_(make_context(tls)), tls_(!tls.certificate.empty())
    {
        listen();
        acceptor_ = std::thread([this] { accept(); });
    }
    ~FakeHttpServer()
    {
        stop_ = true;
        acceptor_.join();
        for (std::thread& thread : threads_) {
            thread.join();
        }
        ::close(socket_);
    }
    FakeHttpServer(const FakeHttpServer&) = delete;
    FakeHttpServer& operator=(const FakeHttpServer&) = delete;

    std::uint16_t port() const { return port_; }
    std::string url(std::string_view target = "/", std::string_view host = "127.0.0.1") const
    {
        return std::string(tls_ ? "https://" : "http://") + std::string(host) + ":" +
               std::to_string(port_) + std::string(target);
    }
    int connections() const { return connections_; }
    int requests() const { return requests_; }
    std::vector<std::string> problems() const
    {
        const std::lock_guard lock(mutex_);
        return problems_;
    }

private:
    struct FreeContext {
        void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    };
    using Context = std::unique_ptr<SSL_CTX, FreeContext>;

    static Context make_context(const FakeTls& tls)
    {
        if (tls.certificate.empty()) {
            return nullptr;
        }
        Context context(SSL_CTX_new(TLS_server_method()));
        if (SSL_CTX_use_certificate_file(context.get(), tls.certificate.c_str(),
                                         SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_use_PrivateKey_file(context.get(), tls.key.c_str(), SSL_FILETYPE_PEM) != 1) {
            throw std::runtime_error("the fake server's certificate cannot be used");
        }
        SSL_CTX_set_min_proto_version(context.get(), 0);
        SSL_CTX_set_max_proto_version(context.get(), tls.newest_version);
        SSL_CTX_set_security_level(context.get(), 0); // so that it can be older than is good
        if (!tls.client_ca.empty()) {
            SSL_CTX_load_verify_locations(context.get(), tls.client_ca.c_str(), nullptr);
            SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                               nullptr);
        }
        return context;
    }

    void listen()
    {
        socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (socket_ < 0 || ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
            ::listen(socket_, 64) != 0 ||
            ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
            throw std::runtime_error("the fake server cannot listen");
        }
        port_ = ntohs(address.sin_port);
    }

    void accept()
    {
        while (!stop_) {
            pollfd descriptor{socket_, POLLIN, 0};
            if (::poll(&descriptor, 1, 10) <= 0) {
                continue;
            }
            const int client = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
            if (client < 0) {
                continue;
            }
            const int yes = 1;
            ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            ++connections_;
            threads_.emplace_back([this, client] { serve(client); });
        }
    }

    void serve(int client)
    {
        // SSL_write knows no MSG_NOSIGNAL.
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
        FakeConnection connection(client, context_.get(), stop_);
        try {
            if (!connection.shake_hands()) {
                return;
            }
            do {
                const FakeRequest request = connection.read_head();
                ++requests_;
                handler_(request, connection);
            } while (connection.may_go_on());
        } catch (const FakeConnection::Gone&) {
            return;
        } catch (const std::exception& error) {
            const std::lock_guard lock(mutex_);
            problems_.emplace_back(error.what());
        }
    }

    const Handler handler_;
    const Context context_;
    const bool tls_;
    int socket_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stop_ = false;
    std::atomic<int> connections_ = 0;
    std::atomic<int> requests_ = 0;
    mutable std::mutex mutex_; // guards problems_
    std::vector<std::string> problems_;
    std::thread acceptor_;
    std::list<std::thread> threads_; // the acceptor's, then the destructor's
};

} // namespace backstay::core
