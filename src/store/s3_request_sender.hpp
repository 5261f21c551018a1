#pragma once

#include "base/bytes.hpp"
#include "net/header_list.hpp"
#include "net/http_reply.hpp"
#include "store/object_store.hpp"
#include "store/s3_failure.hpp"
#include "store/s3_options.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// One request to a bucket, not signed yet. What it points to must live until send() returns.
struct S3Request {
    std::string operation; ///< "get the object", for messages
    std::string method = "GET";
    std::string key;   ///< without the store's prefix; empty: the bucket itself
    std::string query; ///< encoded
    HeaderList headers;
    ByteSpan body;
    std::string payload_hash; ///< SHA-256 of the body in hex; empty: taken here
    std::optional<MutableByteSpan> reply_buffer;
    std::size_t reply_limit = MiB;
};

struct S3Reply {
    HttpReply http;
    std::optional<S3Failure> failure;

    bool ok() const { return !failure; }
    bool is(S3FailureKind kind) const { return failure && failure->kind == kind; }
};

/// Signs requests for one bucket and sends them. A refusal that another signature cures is cured
/// here and the request sent again, each cure once: the clock's difference, credentials that have
/// expired, another region. Nothing else is tried again. Thread-safe.
class S3RequestSender
{
public:
    /// Throws Error{invalid, unsupported} for settings that cannot be.
    S3RequestSender(S3Location location, S3Options options);
    ~S3RequestSender();

    /// A refusal is a value. Throws TransientError for a connection that fails, Error for
    /// credentials that cannot be had and for a server that is not who it should be.
    S3Reply send(const S3Request& request, const std::stop_token& stop);

    /// The same, where no refusal is expected: throws as refuse().
    HttpReply demand(const S3Request& request, const std::stop_token& stop);

    /// Throws what a refusal means: TransientError, or the Error of s3_error().
    [[noreturn]] void refuse(const S3Request& request, const S3Failure& failure) const;

    /// "a/b/", in front of all keys; may be empty.
    const std::string& prefix() const;
    /// Without credentials.
    const std::string& uri() const;
    /// Seconds that the server's clock is ahead of ours, once it refused a request because of it.
    std::int64_t clock_difference() const;
    StoreTraffic traffic() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
