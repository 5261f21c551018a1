#pragma once

#include "net/http_error.hpp"

#include <curl/curl.h>
#include <string>

namespace backstay::core
{

/// What libcurl says of a transfer that failed.
struct CurlFailure {
    CURLcode code = CURLE_OK;
    std::string detail;     ///< the text of its error buffer
    long verify_result = 0; ///< OpenSSL's X509_V_…
    Delivery delivery = Delivery::nothing_sent;
    bool has_head = false; ///< the reply's, whole
};

/// In words that say what to do. `url` is masked already.
HttpError http_error(const CurlFailure& failure, const std::string& url);

} // namespace backstay::core
