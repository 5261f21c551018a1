#pragma once

#include "net/curl_handles.hpp"
#include "net/http_client_options.hpp"
#include "net/http_request.hpp"

namespace backstay::core
{

/// Throws Error{invalid} for options that make no sense or name files that cannot be read.
void check_options(const HttpClientOptions& options);

/// Throws HttpError{invalid_request} for what must not go out: a URL that is none, a header that
/// would begin another.
void check_request(const HttpRequest& request);

/// Bytes of the body, or -1 if it is not known before.
curl_off_t body_size(const HttpRequest& request);

/// Everything but the callbacks. The list holds the headers and must live as long as `easy`.
CurlList apply_settings(CurlEasy& easy, const HttpClientOptions& options,
                        const HttpRequest& request);

} // namespace backstay::core
