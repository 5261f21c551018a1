#include "store/aws_metadata.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "store/aws_credential_document.hpp"
#include "store/http_url.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::chrono::milliseconds connect_patience{1000};
constexpr std::chrono::milliseconds patience{5000};
constexpr std::size_t largest_reply = 64 * KiB;

HttpRequest metadata_request(const std::string& url)
{
    HttpRequest request;
    request.url = url;
    request.bypass_proxy = true;
    request.connect_timeout = connect_patience;
    request.deadline = patience;
    request.reply_limit = largest_reply;
    return request;
}

[[noreturn]] void fail(const std::string& origin, int status)
{
    const bool may_work_later = status == 429 || status >= 500;
    throw Error(may_work_later ? ErrorCode::unavailable : ErrorCode::denied,
                fmt::format("{} gave no credentials: status {}", origin, status), origin);
}

std::string_view first_line(std::string_view text)
{
    text = text.substr(0, text.find_first_of("\r\n"));
    return text;
}

// --- Containers ---------------------------------------------------------------------------------

constexpr std::string_view container_host = "http://169.254.170.2";

bool is_this_host(std::string_view host)
{
    return host == "localhost" || host == "[::1]" ||
           (host.starts_with("127.") && is_ip_address(host));
}

void demand_safe(const HttpUrl& url, const std::string& text)
{
    constexpr std::array<std::string_view, 3> containers{"169.254.170.2", "169.254.170.23",
                                                         "[fd00:ec2::23]"};
    const bool known =
        std::find(containers.begin(), containers.end(), url.host) != containers.end();
    if (url.scheme != "https" && !known && !is_this_host(url.host)) {
        throw Error(ErrorCode::invalid,
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI without TLS may only name this host or "
                    "AWS's container services",
                    text);
    }
}

/// Empty if the container has no such service.
std::optional<std::string> container_url(const Environment& environment)
{
    if (const auto relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) {
        if (!relative->starts_with('/')) { // else it would go on the host's name
            throw Error(ErrorCode::invalid,
                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'",
                        *relative);
        }
        return std::string(container_host) + *relative;
    }
    auto full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (full) {
        demand_safe(parse_http_url(*full), *full);
    }
    return full;
}

std::optional<std::string> container_token(const Environment& environment)
{
    const auto file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    std::optional<std::string> token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (file) {
        token = std::string(as_text(read_small_file(*file, largest_reply)));
        while (token->ends_with('\n') || token->ends_with('\r')) {
            token->pop_back();
        }
    }
    if (token && token->find_first_of("\r\n") != std::string::npos) {
        throw Error(ErrorCode::invalid, "the container's authorization token has a line break",
                    file.value_or("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
    }
    return token;
}

// --- Instances ----------------------------------------------------------------------------------

std::string instance_service(const Environment& environment)
{
    if (const auto given = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT")) {
        HttpUrl url = parse_http_url(*given);
        while (url.path.ends_with('/')) {
            url.path.pop_back();
        }
        return url.text();
    }
    const std::string mode = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").value_or("");
    const bool six = mode == "IPv6" || mode == "ipv6";
    return six ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
}

/// Empty where nothing answers: most machines are no instances.
std::optional<HttpReply> reply_if_any(const HttpFetch& fetch, const HttpRequest& request,
                                      const std::stop_token& stop)
{
    try {
        return fetch(request, stop);
    } catch (const Error& e) {
        if (e.code() == ErrorCode::cancelled) {
            throw;
        }
        return std::nullopt;
    }
}

} // namespace

std::optional<AwsCredentials> container_credentials(const AwsCredentialOptions& options,
                                                    const std::stop_token& stop)
{
    const auto url = container_url(options.environment);
    if (!url) {
        return std::nullopt;
    }
    const std::string origin = "the container's credential service";
    HttpRequest request = metadata_request(*url);
    request.headers = {{"Accept", "application/json"}};
    if (const auto token = container_token(options.environment)) {
        request.headers.emplace_back("Authorization", *token);
    }
    const HttpReply reply = options.fetch(request, stop);
    if (reply.status != 200) {
        fail(origin, reply.status);
    }
    return parse_metadata_credentials(reply.body, origin);
}

std::optional<AwsCredentials> instance_credentials(const AwsCredentialOptions& options,
                                                   const std::stop_token& stop)
{
    const std::string off = options.environment("AWS_EC2_METADATA_DISABLED").value_or("");
    if (off == "true" || off == "TRUE" || off == "True") {
        return std::nullopt;
    }
    const std::string service = instance_service(options.environment);
    HttpRequest request = metadata_request(service + "/latest/api/token");
    request.method = "PUT";
    request.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}};
    const auto token = reply_if_any(options.fetch, request, stop);
    if (!token || token->status != 200 || token->body.empty()) {
        return std::nullopt;
    }
    const std::string roles = service + "/latest/meta-data/iam/security-credentials/";
    const HeaderList with_token{{"X-aws-ec2-metadata-token", std::string(first_line(token->body))}};
    const std::string origin = "the instance's metadata service";
    request = metadata_request(roles);
    request.headers = with_token;
    const HttpReply names = options.fetch(request, stop);
    if (names.status == 404 || (names.status == 200 && first_line(names.body).empty())) {
        return std::nullopt;
    }
    if (names.status != 200) {
        fail(origin, names.status);
    }
    request = metadata_request(roles + percent_encode(first_line(names.body)));
    request.headers = with_token;
    const HttpReply reply = options.fetch(request, stop);
    if (reply.status != 200) {
        fail(origin, reply.status);
    }
    return parse_metadata_credentials(reply.body, origin);
}

} // namespace backstay::core
