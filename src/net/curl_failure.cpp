#include "net/curl_failure.hpp"

#include "net/http_log.hpp"

#include <fmt/core.h>
#include <openssl/x509_vfy.h>

namespace backstay::core
{

namespace
{

struct Meaning {
    HttpFailure failure;
    ErrorCode code;
    std::string message;
};

bool says(const CurlFailure& failure, const char* text)
{
    return failure.detail.find(text) != std::string::npos;
}

Meaning refused_certificate(const CurlFailure& failure)
{
    const auto because = [](std::string message) {
        return Meaning{HttpFailure::tls, ErrorCode::denied, std::move(message)};
    };
    switch (failure.verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return because("the server's certificate has expired: it must be renewed there, unless the "
                       "clock here is wrong");
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return because("the server's certificate is not valid yet: is the clock here right?");
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return because("the server's certificate comes from an authority that is not trusted here: "
                       "name the right CA file, if this is the right server");
    case X509_V_ERR_CERT_REVOKED:
        return because("the server's certificate has been revoked");
    default:
        break;
    }
    if (says(failure, "no alternative certificate subject name") ||
        says(failure, "does not match target host") ||
        failure.verify_result == X509_V_ERR_HOSTNAME_MISMATCH ||
        failure.verify_result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        return because(fmt::format("the server's certificate is for another name: use the name it "
                                   "was made for ({})",
                                   failure.detail));
    }
    return because(fmt::format("the server's certificate is refused ({})", failure.detail));
}

Meaning failed_handshake(const CurlFailure& failure)
{
    if (says(failure, "SSL_ERROR_SYSCALL") || says(failure, "unexpected eof") ||
        says(failure, "reset by peer")) {
        return {HttpFailure::tls, ErrorCode::unavailable,
                fmt::format("the connection broke off while TLS was being agreed on ({})",
                            failure.detail)};
    }
    if (says(failure, "wrong version number")) {
        return {HttpFailure::tls, ErrorCode::storage,
                "the server does not speak TLS on this port: is it meant to be http://?"};
    }
    return {
        HttpFailure::tls, ErrorCode::storage,
        fmt::format("server and client could not agree on TLS 1.2 or later ({})", failure.detail)};
}

Meaning lost_connection(const CurlFailure& failure)
{
    // With TLS 1.3 the server judges the client's certificate after the handshake.
    if (says(failure, "alert certificate") || says(failure, "alert bad certificate") ||
        says(failure, "alert unknown ca")) {
        return {HttpFailure::tls, ErrorCode::denied,
                fmt::format("the server wants another client certificate ({})", failure.detail)};
    }
    if (says(failure, "CONNECT tunnel failed")) {
        const bool refused = says(failure, "response 407") || says(failure, "response 403");
        return {HttpFailure::connect, refused ? ErrorCode::denied : ErrorCode::unavailable,
                fmt::format("the proxy does not let us through: check its address, user name and "
                            "password ({})",
                            failure.detail)};
    }
    if (says(failure, "chunked-encoding")) {
        return {HttpFailure::protocol, ErrorCode::storage,
                fmt::format("the server's reply is not HTTP ({})", failure.detail)};
    }
    return {HttpFailure::connection_lost, ErrorCode::unavailable,
            fmt::format("the connection was lost before the reply was whole ({})", failure.detail)};
}

/// Before 8.6 libcurl says that it is out of memory where a line is longer than it takes. It has
/// all memory that it needs for a request when that has gone out.
bool is_too_large_header(const CurlFailure& failure)
{
    constexpr int too_large = 100; // CURLE_TOO_LARGE, of 8.6
    const bool awaits_head = failure.delivery == Delivery::maybe_sent && !failure.has_head;
    return (awaits_head &&
            (failure.code == CURLE_OUT_OF_MEMORY || static_cast<int>(failure.code) == too_large)) ||
           says(failure, "Too large response headers") ||
           says(failure, "CONNECT response too large");
}

/// libcurl has no code of its own for a proxy that it cannot make sense of: it takes that of a
/// name, a connection or a feature. Its words hold the proxy's password, and cut where the '@'
/// that tells it would come, so none of them are shown.
bool is_unusable_proxy(const CurlFailure& failure)
{
    return failure.delivery == Delivery::nothing_sent &&
           failure.detail.starts_with("Unsupported proxy");
}

Meaning unusable_proxy()
{
    return {HttpFailure::invalid_request, ErrorCode::invalid,
            "the proxy that the environment names (http_proxy, https_proxy, all_proxy) cannot be "
            "used: write it as http://user:password@host:port, with special characters of user "
            "and password as %XX"};
}

Meaning no_address(const CurlFailure& failure)
{
    const bool of_proxy = failure.code == CURLE_COULDNT_RESOLVE_PROXY;
    return {HttpFailure::resolve, ErrorCode::unavailable,
            fmt::format("the {} has no address: check its spelling{} and the name service ({})",
                        of_proxy ? "proxy's name" : "name",
                        of_proxy ? " in http_proxy or https_proxy" : "", failure.detail)};
}

Meaning meaning_of(const CurlFailure& failure)
{
    if (is_unusable_proxy(failure)) {
        return unusable_proxy();
    }
    if (is_too_large_header(failure)) {
        return {HttpFailure::protocol, ErrorCode::storage,
                "the server sends a header that is too large"};
    }
    switch (failure.code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
        return no_address(failure);
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_OPERATION_TIMEDOUT: // the connect timeout: libcurl is given no other
        return {HttpFailure::connect, ErrorCode::unavailable,
                fmt::format("cannot connect: is the server running, and is the port right? ({})",
                            failure.detail)};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return refused_certificate(failure);
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return {HttpFailure::tls, ErrorCode::denied,
                "the server has another public key than the one pinned: somebody may be in "
                "between, or the server's key was changed"};
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CIPHER:
        return failed_handshake(failure);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CRL_BADFILE:
        return {HttpFailure::tls, ErrorCode::invalid,
                fmt::format("a certificate or key file cannot be used ({})", failure.detail)};
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
        return lost_connection(failure);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        // libcurl's word for bytes that are no status line is "unsupported protocol", too.
        if (failure.delivery == Delivery::nothing_sent) {
            return {HttpFailure::invalid_request, ErrorCode::invalid,
                    fmt::format("this URL cannot be used ({})", failure.detail)};
        }
        break;
    case CURLE_OUT_OF_MEMORY:
        return {HttpFailure::connection_lost, ErrorCode::no_memory, "out of memory"};
    default:
        break;
    }
    return {HttpFailure::protocol, ErrorCode::storage,
            fmt::format("the server's reply is not HTTP ({})", failure.detail)};
}

} // namespace

HttpError http_error(const CurlFailure& failure, const std::string& url)
{
    CurlFailure told = failure;
    if (told.detail.empty()) {
        told.detail = curl_easy_strerror(failure.code);
    }
    told.detail = masked_text(told.detail);
    Meaning meaning = meaning_of(told);
    return {meaning.failure, failure.delivery, meaning.code, std::move(meaning.message), url};
}

} // namespace backstay::core
