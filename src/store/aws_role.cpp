#include "store/aws_role.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "codec/hash.hpp"
#include "store/aws_credential_document.hpp"
#include "store/aws_signature.hpp"
#include "store/http_url.hpp"
#include "store/s3_failure.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::chrono::seconds patience{30};
constexpr std::size_t largest_token = 64 * KiB;

void demand_duration(const std::string& seconds)
{
    unsigned value = 0;
    const char* end = seconds.data() + seconds.size();
    const auto result = std::from_chars(seconds.data(), end, value);
    if (!seconds.empty() && (result.ec != std::errc() || result.ptr != end || value < 900)) {
        throw Error(ErrorCode::invalid, "duration_seconds is a number from 900 on", seconds);
    }
}

std::string form_of(const std::string& action, const AwsRole& role, const Clock& clock,
                    const HeaderList& more)
{
    demand_duration(role.duration_seconds);
    HeaderList fields{{"Action", action}, {"Version", "2011-06-15"}, {"RoleArn", role.arn}};
    fields.emplace_back("RoleSessionName", role.session_name.empty()
                                               ? fmt::format("backstay-{}", clock.now().seconds)
                                               : role.session_name);
    if (!role.duration_seconds.empty()) {
        fields.emplace_back("DurationSeconds", role.duration_seconds);
    }
    fields.insert(fields.end(), more.begin(), more.end());
    std::string out;
    for (const auto& field : fields) {
        out += out.empty() ? "" : "&";
        out += field.first + '=' + percent_encode(field.second);
    }
    return out;
}

HttpRequest request_to(const AwsTokenService& service)
{
    HttpUrl url = parse_http_url(service.url);
    url.path = url.path.empty() ? "/" : url.path;
    HttpRequest request;
    request.method = "POST";
    request.url = url.text();
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
    request.deadline = patience;
    request.repeatable = true; // another set of keys does no harm
    return request;
}

AwsCredentials exchange(const HttpRequest& request, const AwsRole& role, const HttpFetch& fetch,
                        const std::stop_token& stop)
{
    const HttpReply reply = fetch(request, stop);
    const std::string origin = fmt::format("the role {}", role.arn);
    if (const auto failure = s3_failure_of(reply)) {
        const bool may_work_later = is_retried(failure->kind);
        throw Error(may_work_later ? ErrorCode::unavailable : ErrorCode::denied,
                    fmt::format("{} cannot be assumed: {} {} {}", origin, failure->status,
                                failure->code, failure->message),
                    role.arn);
    }
    return parse_sts_credentials(reply.body, origin);
}

} // namespace

AwsCredentials assume_role(const AwsRole& role, const AwsCredentials& source,
                           const AwsTokenService& service, const HttpFetch& fetch,
                           const Clock& clock, const std::stop_token& stop)
{
    HeaderList more;
    if (!role.external_id.empty()) {
        more.emplace_back("ExternalId", role.external_id);
    }
    const std::string form = form_of("AssumeRole", role, clock, more);
    HttpRequest request = request_to(service);
    request.body = as_bytes(form);
    const SignedHeaders signature =
        sign_headers({request.method, request.url, request.headers, to_hex(sha256(request.body))},
                     source, {service.region, "sts", clock.now()}, general_signing_rules);
    request.headers.insert(request.headers.end(), signature.add.begin(), signature.add.end());
    return exchange(request, role, fetch, stop);
}

AwsCredentials assume_role_by_web_identity(const AwsRole& role, const std::string& token_file,
                                           const AwsTokenService& service, const HttpFetch& fetch,
                                           const Clock& clock, const std::stop_token& stop)
{
    const Bytes token = read_small_file(token_file, largest_token);
    const std::string form = form_of("AssumeRoleWithWebIdentity", role, clock,
                                     {{"WebIdentityToken", std::string(as_text(token))}});
    HttpRequest request = request_to(service);
    request.body = as_bytes(form);
    return exchange(request, role, fetch, stop);
}

} // namespace backstay::core
