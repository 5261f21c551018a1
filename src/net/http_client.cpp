#include "net/http_client.hpp"

#include "base/error.hpp"
#include "net/curl_settings.hpp"
#include "net/transfer_loop.hpp"

#include <atomic>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

HttpLogEntry log_entry(const HttpRequest& request, const HttpReply& reply, std::string error)
{
    HttpLogEntry entry;
    entry.method = request.method;
    entry.url = masked_url(request.url);
    for (const auto& [name, value] : request.headers) {
        entry.request_headers.emplace_back(name, masked_header(name, value));
    }
    entry.status = reply.status;
    for (const auto& [name, value] : reply.headers) {
        entry.reply_headers.emplace_back(name, masked_header(name, value));
    }
    entry.bytes_sent = reply.bytes_sent;
    entry.bytes_received = reply.body_size;
    entry.seconds = reply.seconds;
    entry.kept_connection = reply.kept_connection;
    entry.remote_address = reply.remote_address;
    entry.error = std::move(error);
    return entry;
}

HttpClientOptions checked(HttpClientOptions options)
{
    check_options(options);
    start_curl();
    return options;
}

} // namespace

struct HttpClient::State {
    const HttpClientOptions options;
    CurlShare share;
    TransferLoop loop;
    const pid_t owner = ::getpid();

    std::atomic<std::uint64_t> requests = 0;
    std::atomic<std::uint64_t> connections = 0;
    std::atomic<std::uint64_t> bytes_sent = 0;
    std::atomic<std::uint64_t> bytes_received = 0;

    explicit State(HttpClientOptions how) : options(checked(std::move(how))), loop(options) {}

    HttpReply exchange(const HttpRequest& request, const std::shared_ptr<Transfer>& transfer,
                       const std::stop_token& stop)
    {
        try {
            loop.start(transfer);
            const auto abort = [this, &transfer] { loop.abort(transfer); };
            const std::stop_callback on_stop(stop, abort);
            HttpReply reply = transfer->run([this, &transfer] { loop.resume(transfer); }, abort);
            note(request, *transfer, "");
            return reply;
        } catch (HttpError& error) {
            error.set_moved(transfer->reply().bytes_sent, transfer->reply().body_size);
            note(request, *transfer, http_failure_name(error.failure()));
            throw;
        } catch (...) {
            note(request, *transfer, "ended by its caller");
            throw;
        }
    }

    void note(const HttpRequest& request, const Transfer& transfer, const char* error)
    {
        const HttpReply& reply = transfer.reply();
        ++requests;
        connections += transfer.opened_connection() ? 1 : 0;
        bytes_sent += reply.bytes_sent;
        bytes_received += reply.body_size;
        if (!options.log) {
            return;
        }
        try {
            options.log(log_entry(request, reply, error));
        } catch (...) {
            // A log that fails must not fail what it tells of.
            return;
        }
    }
};

HttpClient::HttpClient(HttpClientOptions options) : state_(new State(std::move(options))) {}

HttpClient::~HttpClient() = default;

HttpReply HttpClient::send(const HttpRequest& request, const std::stop_token& stop)
{
    if (::getpid() != state_->owner) {
        throw Error(ErrorCode::forked, "this HTTP client belongs to the parent process: open "
                                       "another after fork");
    }
    throw_if_stopped(stop);
    const auto transfer = std::make_shared<Transfer>(request, state_->options, state_->share.get(),
                                                     state_->loop.limiters());
    return state_->exchange(request, transfer, stop);
}

void HttpClient::set_bandwidth(Bandwidth bandwidth)
{
    state_->loop.set_bandwidth(bandwidth);
}

HttpCounters HttpClient::counters() const
{
    HttpCounters counters;
    counters.requests = state_->requests;
    counters.connections = state_->connections;
    counters.bytes_sent = state_->bytes_sent;
    counters.bytes_received = state_->bytes_received;
    return counters;
}

} // namespace backstay::core
