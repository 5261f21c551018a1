#pragma once

#include "net/http_client_options.hpp"
#include "net/http_error.hpp"
#include "net/http_reply.hpp"
#include "net/http_request.hpp"

#include <cstdint>
#include <memory>
#include <stop_token>

namespace backstay::core
{

/// Sums since the client was made.
struct HttpCounters {
    std::uint64_t requests = 0;    ///< exchanges that ended, well or not
    std::uint64_t connections = 0; ///< that were opened
    std::uint64_t bytes_sent = 0;  ///< of bodies, as far as curl took them
    std::uint64_t bytes_received = 0;
};

/// The one way to speak HTTP: HTTP/1.1 over libcurl, one thread of its own for all transfers,
/// connections kept and shared. It follows no redirect, keeps no cookie, knows no credentials and
/// retries nothing (but see HttpRequest::repeatable). Thread-safe.
class HttpClient
{
public:
    /// Throws Error{invalid} for options that make no sense or name files that cannot be read.
    explicit HttpClient(HttpClientOptions options = {});
    /// Closes all connections. Requires: nobody is in send().
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// Sends and waits for the whole reply. Throws HttpError, or what a source or sink threw. After
    /// a stop it returns within 200 ms, unless a source or sink is waiting. On return nothing that
    /// `request` points to is used any more.
    HttpReply send(const HttpRequest& request, const std::stop_token& stop = {});

    /// Takes effect at once, for running transfers, too.
    void set_bandwidth(Bandwidth bandwidth);

    HttpCounters counters() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
