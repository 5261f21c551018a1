#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>

namespace backstay::core
{

/// Why an exchange came to no reply. A reply with any status is no failure.
enum class HttpFailure {
    invalid_request, ///< the request or an option makes no sense; no retry helps
    resolve,         ///< the name of the server or proxy has no address
    connect,         ///< refused, unreachable, or not within the connect timeout
    tls,             ///< the other side is not who it should be, or speaks no TLS we take
    timeout,         ///< the request's deadline passed
    stalled,         ///< too slow for too long
    cancelled,       ///< by the caller's stop token
    connection_lost, ///< closed or broken before the reply was whole
    protocol,        ///< what came is not HTTP, or beyond a limit for headers
    too_large,       ///< the body is larger than the caller takes
};

/// What the other side can have seen of the request.
enum class Delivery {
    nothing_sent, ///< not a byte of it: it may be sent again whatever it asks for
    maybe_sent,   ///< it may have taken effect
};

/// "connection-lost" and so on, for logs.
const char* http_failure_name(HttpFailure failure);

/// What HttpClient throws. Error::code() is `unavailable` where another attempt may do better
/// (resolve, connect, timeout, stalled, connection_lost, a TLS handshake that broke off),
/// `denied` for a server whose certificate is refused, `cancelled`, `invalid`, else `storage`.
/// The subject is the URL without its secrets.
class HttpError : public Error
{
public:
    HttpError(HttpFailure failure, Delivery delivery, ErrorCode code, std::string message,
              std::string subject);

    HttpFailure failure() const { return failure_; }
    Delivery delivery() const { return delivery_; }

    /// Of the bodies, until it failed.
    std::uint64_t bytes_sent() const { return bytes_sent_; }
    std::uint64_t bytes_received() const { return bytes_received_; }
    void set_moved(std::uint64_t sent, std::uint64_t received);

private:
    HttpFailure failure_;
    Delivery delivery_;
    std::uint64_t bytes_sent_ = 0;
    std::uint64_t bytes_received_ = 0;
};

} // namespace backstay::core
