#include "net/http_error.hpp"

#include <utility>

namespace backstay::core
{

const char* http_failure_name(HttpFailure failure)
{
    switch (failure) {
    case HttpFailure::invalid_request:
        return "invalid-request";
    case HttpFailure::resolve:
        return "resolve";
    case HttpFailure::connect:
        return "connect";
    case HttpFailure::tls:
        return "tls";
    case HttpFailure::timeout:
        return "timeout";
    case HttpFailure::stalled:
        return "stalled";
    case HttpFailure::cancelled:
        return "cancelled";
    case HttpFailure::connection_lost:
        return "connection-lost";
    case HttpFailure::protocol:
        return "protocol";
    case HttpFailure::too_large:
        return "too-large";
    }
    return "unknown";
}

HttpError::HttpError(HttpFailure failure, Delivery delivery, ErrorCode code, std::string message,
                     std::string subject)
    : Error(code, std::move(message), std::move(subject)), failure_(failure), delivery_(delivery)
{
}

void HttpError::set_moved(std::uint64_t sent, std::uint64_t received)
{
    bytes_sent_ = sent;
    bytes_received_ = received;
}

} // namespace backstay::core
