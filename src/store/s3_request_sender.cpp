#include "store/s3_request_sender.hpp"

#include "base/worker_group.hpp"
#include "codec/hash.hpp"
#include "net/http_client.hpp"
#include "store/aws_credential_source.hpp"
#include "store/aws_signature.hpp"
#include "store/transient_error.hpp"

#include <atomic>
#include <fmt/core.h>
#include <mutex>

namespace backstay::core
{

namespace
{

constexpr int most_region_changes = 2;

/// Each cure is tried once for a request.
struct Cures {
    bool clock = false;
    bool credentials = false;
    int region = 0;
};

std::string uri_of(const S3Location& location)
{
    const std::string place =
        location.bucket + (location.prefix.empty() ? "" : '/' + location.prefix);
    return location.endpoint.empty() ? "s3://" + place : "s3+" + location.endpoint + '/' + place;
}

S3EndpointOptions endpoint_options(const S3Location& location, const S3Options& options,
                                   const AwsSettings& settings)
{
    S3EndpointOptions out;
    out.endpoint = location.endpoint;
    if (out.endpoint.empty()) {
        out.endpoint = options.endpoint.empty() ? settings.s3_endpoint : options.endpoint;
    }
    const bool aws = out.endpoint.empty();
    out.region = options.region.empty() ? settings.region : options.region;
    out.dualstack = options.dualstack || (aws && settings.dualstack);
    out.fips = options.fips || (aws && settings.fips);
    if (options.addressing) {
        out.addressing = *options.addressing;
    } else if (settings.addressing_style == "path") {
        out.addressing = S3Addressing::path;
    } else if (settings.addressing_style == "virtual") {
        out.addressing = S3Addressing::virtual_host;
    }
    return out;
}

HttpClientOptions client_options(const S3Options& options, const AwsSettings& settings)
{
    HttpClientOptions out = options.http;
    if (out.tls.ca_file.empty()) {
        out.tls.ca_file = settings.ca_bundle;
    }
    return out;
}

AwsCredentialOptions credential_options(const S3Options& options, const AwsSettings& settings)
{
    AwsCredentialOptions out;
    out.given = options.credentials;
    out.anonymous = options.anonymous;
    out.profile = options.profile;
    out.region = options.region.empty() ? settings.region : options.region;
    out.sts_endpoint = settings.sts_endpoint;
    out.environment = options.environment;
    out.clock = options.clock;
    HttpClientOptions how; // pins and a client's certificate are for the bucket's server alone
    how.tls.ca_file = client_options(options, settings).tls.ca_file;
    // A client for each look, some hours apart: its thread would idle in between.
    out.fetch = [how](const HttpRequest& request, const std::stop_token& stop) {
        return HttpClient(how).send(request, stop);
    };
    return out;
}

/// A wish that would come to nothing is a mistake.
void demand_tls_for_pins(const S3EndpointOptions& where, const TlsOptions& tls)
{
    if (!tls.pinned_keys.empty() && where.endpoint.starts_with("http://")) {
        throw Error(ErrorCode::invalid,
                    "a pinned key says nothing about a server without TLS: use https",
                    where.endpoint);
    }
}

} // namespace

struct S3RequestSender::State {
    const S3Location location;
    const S3Options options;
    const AwsSettings settings;
    const std::string prefix;
    const std::string uri;
    HttpClient client;
    AwsCredentialSource credentials;

    mutable std::mutex mutex; // guards where and endpoint
    S3EndpointOptions where;
    S3Endpoint endpoint;

    std::atomic<std::int64_t> clock_difference = 0;
    std::atomic<std::uint64_t> writes = 0;
    std::atomic<std::uint64_t> reads = 0;
    std::atomic<std::uint64_t> removes = 0;
    std::atomic<std::uint64_t> bytes_sent = 0;
    std::atomic<std::uint64_t> bytes_received = 0;

    State(S3Location place, S3Options how)
        : location(std::move(place)), options(std::move(how)),
          settings(read_aws_settings(options.profile, options.environment)),
          prefix(location.prefix.empty() ? "" : location.prefix + '/'), uri(uri_of(location)),
          client(client_options(options, settings)),
          credentials(credential_options(options, settings)),
          where(endpoint_options(location, options, settings)),
          endpoint(resolve_s3_endpoint(location.bucket, where))
    {
        demand_tls_for_pins(where, options.http.tls);
    }

    S3Endpoint current_endpoint() const
    {
        const std::lock_guard lock(mutex);
        return endpoint;
    }

    std::string url_of(const S3Request& request, const S3Endpoint& to) const
    {
        return request.key.empty() ? to.bucket_url(request.query)
                                   : to.object_url(prefix + request.key, request.query);
    }

    Timestamp now() const
    {
        Timestamp time = options.clock->now();
        time.seconds += clock_difference;
        return time;
    }

    HeaderList headers_of(const S3Request& request) const
    {
        HeaderList headers = request.headers;
        if (options.requester_pays) {
            headers.emplace_back("x-amz-request-payer", "requester");
        }
        if (!options.bucket_owner.empty()) {
            headers.emplace_back("x-amz-expected-bucket-owner", options.bucket_owner);
        }
        return headers;
    }

    HeaderList signed_headers(const S3Request& request, const std::string& url,
                              const std::string& payload_hash, const S3Endpoint& to,
                              const AwsCredentials& key) const
    {
        HeaderList headers = headers_of(request);
        if (key.anonymous()) {
            return headers;
        }
        SignedHeaders signature = sign_headers({request.method, url, headers, payload_hash}, key,
                                               {to.region, "s3", now()}, s3_signing_rules);
        for (auto& header : signature.add) {
            headers.push_back(std::move(header));
        }
        return headers;
    }

    HttpRequest http_request(const S3Request& request, const std::string& payload_hash,
                             const S3Endpoint& to, const AwsCredentials& key) const
    {
        HttpRequest out;
        out.method = request.method;
        out.url = url_of(request, to);
        out.headers = signed_headers(request, out.url, payload_hash, to, key);
        out.body = request.body;
        out.reply_buffer = request.reply_buffer;
        out.reply_limit = request.reply_limit;
        return out;
    }

    S3Reply exchange(const S3Request& request, const std::string& payload_hash,
                     const S3Endpoint& to, const AwsCredentials& key, const std::stop_token& stop)
    {
        S3Reply reply;
        try {
            reply.http = client.send(http_request(request, payload_hash, to, key), stop);
        } catch (const HttpError& error) {
            if (error.delivery() != Delivery::nothing_sent) {
                count(request, error.bytes_sent(), error.bytes_received());
            }
            fail(request, error);
        }
        count(request, reply.http.bytes_sent, reply.http.body_size);
        reply.failure = s3_failure_of(reply.http);
        return reply;
    }

    void count(const S3Request& request, std::uint64_t sent, std::uint64_t received)
    {
        const bool lists = request.key.empty();
        if (request.method == "DELETE") {
            ++removes;
        } else if (!lists && (request.method == "GET" || request.method == "HEAD")) {
            ++reads;
        } else {
            ++writes;
        }
        bytes_sent += sent;
        bytes_received += received;
    }

    [[noreturn]] void fail(const S3Request& request, const HttpError& error) const
    {
        const std::string message =
            fmt::format("cannot {} in bucket '{}': {} ({})", request.operation, location.bucket,
                        error.what(), error.subject());
        const std::string& subject = request.key.empty() ? location.bucket : request.key;
        if (error.code() == ErrorCode::unavailable) {
            throw TransientError(TransientError::Cause::lost, std::nullopt, message, subject);
        }
        throw Error(error.code(), message, subject);
    }

    /// Whether the request is worth sending again.
    bool cure(const S3Failure& failure, const S3Endpoint& used, const AwsCredentials& key,
              Cures& tried, const std::stop_token& stop)
    {
        switch (failure.kind) {
        case S3FailureKind::clock_skew:
            return !std::exchange(tried.clock, true) && set_clock(failure);
        case S3FailureKind::expired:
            if (std::exchange(tried.credentials, true) || key.anonymous()) {
                return false;
            }
            credentials.reject(key);
            return true;
        case S3FailureKind::wrong_region:
            return tried.region++ < most_region_changes && move(failure.region, used, stop);
        default:
            return false;
        }
    }

    bool set_clock(const S3Failure& failure)
    {
        if (!failure.server_time) {
            return false;
        }
        clock_difference = failure.server_time->seconds - options.clock->now().seconds;
        return true;
    }

    bool move(std::string region, const S3Endpoint& used, const std::stop_token& stop)
    {
        if (region.empty() && used.aws) {
            region = ask_for_region(used, stop);
        }
        if (!is_region_name(region) || region == used.region) {
            return false;
        }
        const std::lock_guard lock(mutex);
        S3EndpointOptions there = where;
        there.region = region;
        endpoint = resolve_s3_endpoint(location.bucket, there);
        where = there;
        return true;
    }

    /// AWS tells it to anybody, whatever it thinks of the request.
    std::string ask_for_region(const S3Endpoint& used, const std::stop_token& stop)
    {
        HttpRequest question;
        question.method = "HEAD";
        question.url = used.bucket_url();
        try {
            const HttpReply reply = client.send(question, stop);
            return std::string(reply.header("x-amz-bucket-region").value_or(""));
        } catch (const HttpError& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            return {}; // the refusal that led here says more
        }
    }
};

S3RequestSender::S3RequestSender(S3Location location, S3Options options)
    : state_(std::make_unique<State>(std::move(location), std::move(options)))
{
}

S3RequestSender::~S3RequestSender() = default;

S3Reply S3RequestSender::send(const S3Request& request, const std::stop_token& stop)
{
    const std::string payload_hash =
        request.payload_hash.empty() ? to_hex(sha256(request.body)) : request.payload_hash;
    Cures tried;
    while (true) {
        throw_if_stopped(stop);
        const auto key = state_->credentials.get(stop);
        const S3Endpoint endpoint = state_->current_endpoint();
        S3Reply reply = state_->exchange(request, payload_hash, endpoint, *key, stop);
        if (reply.ok() || !state_->cure(*reply.failure, endpoint, *key, tried, stop)) {
            return reply;
        }
    }
}

HttpReply S3RequestSender::demand(const S3Request& request, const std::stop_token& stop)
{
    S3Reply reply = send(request, stop);
    if (!reply.ok()) {
        refuse(request, *reply.failure);
    }
    return std::move(reply.http);
}

void S3RequestSender::refuse(const S3Request& request, const S3Failure& failure) const
{
    Error error = s3_error(failure, {request.operation, state_->location.bucket, request.key, 1});
    if (error.code() == ErrorCode::unavailable) {
        const bool throttled = failure.kind == S3FailureKind::throttled;
        throw TransientError(throttled ? TransientError::Cause::throttled
                                       : TransientError::Cause::lost,
                             failure.retry_after, error.what(), error.subject());
    }
    throw error;
}

const std::string& S3RequestSender::prefix() const
{
    return state_->prefix;
}

const std::string& S3RequestSender::uri() const
{
    return state_->uri;
}

std::int64_t S3RequestSender::clock_difference() const
{
    return state_->clock_difference;
}

StoreTraffic S3RequestSender::traffic() const
{
    StoreTraffic traffic;
    traffic.writes = state_->writes;
    traffic.reads = state_->reads;
    traffic.removes = state_->removes;
    traffic.bytes_sent = state_->bytes_sent;
    traffic.bytes_received = state_->bytes_received;
    return traffic;
}

} // namespace backstay::core
