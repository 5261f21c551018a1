#include "net/curl_settings.hpp"

#include "base/error.hpp"
#include "net/http_error.hpp"
#include "net/http_log.hpp"
#include "net/pinned_key.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <new>
#include <unistd.h>

namespace backstay::core
{

namespace
{

// Below, a body costs less than the round trip that "Expect: 100-continue" adds.
constexpr curl_off_t expect_from = static_cast<curl_off_t>(MiB);
constexpr long receive_buffer = 262'144;
constexpr long upload_buffer = 262'144;

[[noreturn]] void refuse(const std::string& why, const HttpRequest& request)
{
    throw HttpError(HttpFailure::invalid_request, Delivery::nothing_sent, ErrorCode::invalid, why,
                    masked_url(request.url));
}

/// RFC 9110, 5.6.2.
bool is_token(std::string_view text)
{
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

bool is_header_value(std::string_view text)
{
    return std::none_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7f;
    });
}

bool same_name(std::string_view a, std::string_view b)
{
    return curl_strnequal(a.data(), b.data(), b.size()) != 0 && a.size() == b.size();
}

void check_url(const HttpRequest& request)
{
    const std::string_view url = request.url;
    const bool plain = curl_strnequal(url.data(), "http://", 7) != 0;
    const bool secure = curl_strnequal(url.data(), "https://", 8) != 0;
    if (!plain && !secure) {
        refuse("the URL must start with http:// or https://", request);
    }
    if (!std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
        refuse("the URL has a space, a control character or a letter beyond ASCII in it: encode it "
               "as %XX",
               request);
    }
    const std::string_view rest = url.substr(plain ? 7 : 8);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    if (authority.empty()) {
        refuse("the URL names no host", request);
    }
    if (authority.find('@') != std::string_view::npos) {
        refuse("the URL has a user name or password in it: give them by other means", request);
    }
}

bool has_body(const HttpRequest& request)
{
    return !request.body.empty() || request.body_source != nullptr;
}

/// These announce a body even where it is empty.
bool always_has_length(const std::string& method)
{
    return method == "PUT" || method == "POST" || method == "PATCH";
}

void check_readable(const std::string& path, const char* what)
{
    if (!path.empty() && ::access(path.c_str(), R_OK) != 0) {
        throw_system_error(errno, fmt::format("cannot read the {}", what), path,
                           ErrorCode::invalid);
    }
}

void add_header(CurlList& list, const std::string& line)
{
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) {
        throw std::bad_alloc();
    }
    static_cast<void>(list.release());
    list.reset(longer);
}

CurlList header_list(const HttpRequest& request)
{
    CurlList list;
    for (const auto& [name, value] : request.headers) {
        if (same_name(name, "content-length")) {
            continue; // comes from the body, and must not contradict it
        }
        // libcurl's way to say that the value is empty, not that the header is to be dropped.
        const bool empty = value.find_first_not_of(" \t") == std::string::npos;
        add_header(list, empty ? fmt::format("{};", name) : fmt::format("{}: {}", name, value));
    }
    const curl_off_t size = body_size(request);
    if (size >= 0 && size < expect_from && !find_header(request.headers, "expect")) {
        add_header(list, "Expect:");
    }
    if (!find_header(request.headers, "accept")) {
        add_header(list, "Accept:"); // libcurl would add */*, which says nothing
    }
    return list;
}

std::string pins(const TlsOptions& tls)
{
    std::string result;
    for (const std::string& key : tls.pinned_keys) {
        result.append(result.empty() ? "sha256//" : ";sha256//").append(key);
    }
    return result;
}

void apply_tls(CurlEasy& easy, const TlsOptions& tls)
{
    easy.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    easy.set(CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    easy.set(CURLOPT_SSL_VERIFYPEER, 1L);
    easy.set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!tls.ca_file.empty() || !tls.ca_folder.empty()) {
        // Null takes out the system's own: who names a CA means this one.
        const char* file = tls.ca_file.empty() ? nullptr : tls.ca_file.c_str();
        const char* folder = tls.ca_folder.empty() ? nullptr : tls.ca_folder.c_str();
        easy.set(CURLOPT_CAINFO, file);
        easy.set(CURLOPT_CAPATH, folder);
        easy.set(CURLOPT_PROXY_CAINFO, file);
        easy.set(CURLOPT_PROXY_CAPATH, folder);
    }
    if (!tls.pinned_keys.empty()) {
        easy.set(CURLOPT_PINNEDPUBLICKEY, pins(tls).c_str());
    }
    if (!tls.client_certificate.empty()) {
        easy.set(CURLOPT_SSLCERT, tls.client_certificate.c_str());
        easy.set(CURLOPT_SSLKEY,
                 tls.client_key.empty() ? tls.client_certificate.c_str() : tls.client_key.c_str());
        if (!tls.client_key_password.empty()) {
            easy.set(CURLOPT_KEYPASSWD, tls.client_key_password.c_str());
        }
    }
}

void apply_proxy(CurlEasy& easy, const ProxyOptions& proxy, bool bypass)
{
    if (bypass) {
        easy.set(CURLOPT_PROXY, "");
    } else if (proxy.url) {
        easy.set(CURLOPT_PROXY, proxy.url->c_str());
        easy.set(CURLOPT_NOPROXY, proxy.no_proxy.c_str());
    }
    easy.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void apply_body(CurlEasy& easy, const HttpRequest& request)
{
    if (request.method == "HEAD") {
        easy.set(CURLOPT_NOBODY, 1L);
        return;
    }
    if (has_body(request) || always_has_length(request.method)) {
        easy.set(CURLOPT_UPLOAD, 1L);
        easy.set(CURLOPT_INFILESIZE_LARGE, body_size(request));
        easy.set(CURLOPT_EXPECT_100_TIMEOUT_MS, 1000L);
    }
    if (request.method != "GET" || has_body(request)) {
        easy.set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
}

void apply_client(CurlEasy& easy, const HttpClientOptions& options)
{
    easy.set(CURLOPT_NOSIGNAL, 1L);
    // Without it, giving up on a slow name server would wait for its thread.
    easy.set(CURLOPT_QUICK_EXIT, 1L);
    easy.set(CURLOPT_PROTOCOLS_STR, "http,https");
    easy.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    easy.set(CURLOPT_FOLLOWLOCATION, 0L);
    easy.set(CURLOPT_PATH_AS_IS, 1L);
    easy.set(CURLOPT_HTTP_CONTENT_DECODING, 0L);
    easy.set(CURLOPT_TCP_KEEPALIVE, 1L);
    easy.set(CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L);
    easy.set(CURLOPT_BUFFERSIZE, receive_buffer);
    easy.set(CURLOPT_UPLOAD_BUFFERSIZE, upload_buffer);
    easy.set(CURLOPT_MAXAGE_CONN, std::max(1L, static_cast<long>(options.keep_idle.count())));
    easy.set(CURLOPT_USERAGENT, options.user_agent.c_str());
}

} // namespace

void check_options(const HttpClientOptions& options)
{
    check_readable(options.tls.ca_file, "file of trusted certificates");
    check_readable(options.tls.ca_folder, "folder of trusted certificates");
    check_readable(options.tls.client_certificate, "client certificate");
    check_readable(options.tls.client_key, "client certificate's key");
    for (const std::string& key : options.tls.pinned_keys) {
        if (!is_pinned_key(key)) {
            throw Error(ErrorCode::invalid,
                        "a pinned key must be the SHA-256 of the public key in base64, 44 "
                        "characters",
                        key);
        }
    }
    if (options.connections == 0 || !is_header_value(options.user_agent)) {
        throw Error(ErrorCode::invalid, "an HTTP client needs at least one connection and a user "
                                        "agent without control characters");
    }
}

void check_request(const HttpRequest& request)
{
    check_url(request);
    if (!is_token(request.method)) {
        refuse("the method is no word of HTTP", request);
    }
    for (const auto& [name, value] : request.headers) {
        if (!is_token(name) || same_name(name, "transfer-encoding")) {
            refuse(fmt::format("a header of this name cannot be sent: '{}'", name), request);
        }
        if (!is_header_value(value)) {
            refuse(fmt::format("the header {} has a control character in it", name), request);
        }
    }
    if (has_body(request) && request.method == "HEAD") {
        refuse("HEAD takes no body", request);
    }
    if ((!request.body.empty() && request.body_source != nullptr) ||
        (request.reply_sink != nullptr && request.reply_buffer)) {
        refuse("a body has one source and one destination", request);
    }
}

curl_off_t body_size(const HttpRequest& request)
{
    if (request.body_source == nullptr) {
        return static_cast<curl_off_t>(request.body.size());
    }
    const auto size = request.body_source->size();
    return size ? static_cast<curl_off_t>(*size) : -1;
}

CurlList apply_settings(CurlEasy& easy, const HttpClientOptions& options,
                        const HttpRequest& request)
{
    apply_client(easy, options);
    apply_tls(easy, options.tls);
    apply_proxy(easy, options.proxy, request.bypass_proxy);
    apply_body(easy, request);
    const auto connect = request.connect_timeout.value_or(options.connect_timeout).count();
    easy.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect));
    easy.set(CURLOPT_URL, request.url.c_str());
    CurlList headers = header_list(request);
    easy.set(CURLOPT_HTTPHEADER, headers.get());
    return headers;
}

} // namespace backstay::core
