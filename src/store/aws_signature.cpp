#include "store/aws_signature.hpp"

#include "base/error.hpp"
#include "base/secret.hpp"
#include "codec/hash.hpp"
#include "store/http_url.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/core.h>
#include <map>

namespace backstay::core
{

namespace
{

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::uint32_t longest_presigned_seconds = 7 * 24 * 3600;

// Altered on the way by proxies, or written by the HTTP client itself.
constexpr std::array<std::string_view, 18> never_signed{
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "expect",
    "keep-alive",
    "pragma",
    "proxy-authenticate",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-forwarded-for",
};

template <typename List>
bool contains(const List& list, std::string_view text)
{
    return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

std::string lower_case(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

std::string amz_date(Timestamp time)
{
    const std::time_t seconds = time.seconds;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
    return {text.data(), size};
}

// --- Headers ------------------------------------------------------------------------------------

/// Trimmed, every run of blanks one space.
std::string one_line(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        if (!is_blank(c)) {
            out += c;
        } else if (!out.empty() && out.back() != ' ') {
            out += ' ';
        }
    }
    if (out.ends_with(' ')) {
        out.pop_back();
    }
    return out;
}

void demand_no_control_characters(std::string_view text, const std::string& name)
{
    const bool harmful = std::any_of(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    });
    if (harmful) {
        throw Error(ErrorCode::invalid, "a header has a control character in it", name);
    }
}

/// A folded value becomes a list, as in the published test suite.
std::string canonical_value(std::string_view value, const std::string& name)
{
    std::string out;
    while (true) {
        const std::size_t end = value.find('\n');
        std::string_view line = value.substr(0, end);
        const bool folds =
            end != std::string_view::npos && end + 1 < value.size() && is_blank(value[end + 1]);
        if (folds && line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (end != std::string_view::npos && !folds) {
            line = value;
        }
        demand_no_control_characters(line, name);
        out += one_line(line);
        if (!folds) {
            return out;
        }
        out += ',';
        value.remove_prefix(end + 1);
    }
}

/// By name alone: sorting "name:value" would put a name after those that it begins.
using CanonicalHeaders = std::map<std::string, std::string>;

CanonicalHeaders canonical_headers(const SigningRequest& request, const HttpUrl& url,
                                   const HeaderList& own)
{
    CanonicalHeaders out;
    for (const auto& header : own) {
        out[lower_case(header.first)] = canonical_value(header.second, header.first);
    }
    const CanonicalHeaders brought = out;
    for (const auto& header : request.headers) {
        const std::string name = lower_case(one_line(header.first));
        demand_no_control_characters(name, name);
        if (name.empty() || contains(never_signed, name) || brought.contains(name)) {
            continue;
        }
        const std::string value = canonical_value(header.second, name);
        const auto [place, is_new] = out.try_emplace(name, value);
        if (!is_new) {
            place->second += ',' + value;
        }
    }
    out.try_emplace("host", url.authority());
    return out;
}

std::string names_of(const CanonicalHeaders& headers)
{
    std::string out;
    for (const auto& header : headers) {
        out += out.empty() ? "" : ";";
        out += header.first;
    }
    return out;
}

// --- Path and query -----------------------------------------------------------------------------

std::string normalised(std::string_view path)
{
    std::vector<std::string_view> kept;
    const bool ends_with_slash = path.ends_with('/');
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (part == ".." && !kept.empty()) {
            kept.pop_back();
        } else if (!part.empty() && part != "." && part != "..") {
            kept.push_back(part);
        }
    }
    std::string out;
    for (const std::string_view part : kept) {
        out += '/';
        out += part;
    }
    return out.empty() || ends_with_slash ? out + '/' : out;
}

std::string canonical_path(const std::string& sent, const SigningRules& rules)
{
    std::string path = rules.normalise_path ? normalised(sent) : sent;
    if (!rules.encode_path_again) {
        path = percent_decode(path);
    }
    return path.empty() ? "/" : percent_encode(path, Slash::kept);
}

/// Encoded names and values.
using Parameters = std::vector<std::pair<std::string, std::string>>;

Parameters parameters_of(std::string_view query)
{
    Parameters out;
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view part = query.substr(0, end);
        query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
        if (part.empty()) {
            continue;
        }
        const std::size_t equals = part.find('=');
        const std::string_view value =
            equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
        out.emplace_back(percent_encode(percent_decode(part.substr(0, equals))),
                         percent_encode(percent_decode(value)));
    }
    return out;
}

std::string query_of(Parameters parameters)
{
    std::sort(parameters.begin(), parameters.end());
    std::string out;
    for (const auto& parameter : parameters) {
        out += out.empty() ? "" : "&";
        out += parameter.first + '=' + parameter.second;
    }
    return out;
}

// --- Signature ----------------------------------------------------------------------------------

std::string credential_scope(const SigningScope& scope)
{
    return fmt::format("{}/{}/{}/aws4_request", amz_date(scope.time).substr(0, 8), scope.region,
                       scope.service);
}

/// Four short HMACs, some microseconds: not worth a cache that would hold keys.
std::string signature_of(const std::string& string_to_sign, const AwsCredentials& credentials,
                         const SigningScope& scope)
{
    std::string start = "AWS4" + credentials.secret_key;
    const std::string date = amz_date(scope.time).substr(0, 8);
    Digest key = HmacSha256(as_bytes(start)).of(as_bytes(date));
    wipe({reinterpret_cast<std::uint8_t*>(start.data()), start.size()});
    for (const std::string_view part :
         {std::string_view(scope.region), std::string_view(scope.service),
          std::string_view("aws4_request")}) {
        key = HmacSha256(key).of(as_bytes(part));
    }
    const Digest signature = HmacSha256(key).of(as_bytes(string_to_sign));
    wipe(key);
    return to_hex(signature);
}

struct CanonicalParts {
    std::string path;
    Parameters parameters;
    CanonicalHeaders headers;
    std::string payload_hash;
};

SignatureSteps sign(const SigningRequest& request, const CanonicalParts& parts,
                    const AwsCredentials& credentials, const SigningScope& scope)
{
    SignatureSteps steps;
    steps.signed_headers = names_of(parts.headers);
    std::string headers;
    for (const auto& header : parts.headers) {
        headers += header.first + ':' + header.second + '\n';
    }
    steps.canonical_request =
        fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, parts.path,
                    query_of(parts.parameters), headers, steps.signed_headers, parts.payload_hash);
    steps.string_to_sign =
        fmt::format("{}\n{}\n{}\n{}", algorithm, amz_date(scope.time), credential_scope(scope),
                    to_hex(sha256(as_bytes(steps.canonical_request))));
    steps.signature = signature_of(steps.string_to_sign, credentials, scope);
    return steps;
}

void demand_key(const AwsCredentials& credentials)
{
    if (credentials.anonymous()) {
        throw Error(ErrorCode::invalid,
                    "anonymous requests cannot be signed: send them as they are");
    }
}

} // namespace

SignedHeaders sign_headers(const SigningRequest& request, const AwsCredentials& credentials,
                           const SigningScope& scope, const SigningRules& rules)
{
    demand_key(credentials);
    const HttpUrl url = parse_http_url(request.url);
    SignedHeaders out;
    out.add.emplace_back("x-amz-date", amz_date(scope.time));
    if (rules.content_hash_header) {
        out.add.emplace_back("x-amz-content-sha256", request.payload_hash);
    }
    const std::pair<std::string, std::string> token{"x-amz-security-token",
                                                    credentials.session_token};
    const bool has_token = !credentials.session_token.empty();
    if (has_token && rules.sign_session_token) {
        out.add.push_back(token);
    }
    out.steps = sign(request,
                     {canonical_path(url.path, rules), parameters_of(url.query),
                      canonical_headers(request, url, out.add), request.payload_hash},
                     credentials, scope);
    if (has_token && !rules.sign_session_token) {
        out.add.push_back(token);
    }
    out.add.emplace_back("Authorization",
                         fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}",
                                     algorithm, credentials.access_key, credential_scope(scope),
                                     out.steps.signed_headers, out.steps.signature));
    return out;
}

PresignedUrl presign_url(const SigningRequest& request, const AwsCredentials& credentials,
                         const SigningScope& scope, const SigningRules& rules,
                         std::uint32_t seconds)
{
    demand_key(credentials);
    if (seconds == 0 || seconds > longest_presigned_seconds) {
        throw Error(ErrorCode::invalid,
                    "a presigned URL holds for at least a second and at most seven days");
    }
    HttpUrl url = parse_http_url(request.url);
    CanonicalParts parts{canonical_path(url.path, rules), parameters_of(url.query),
                         canonical_headers(request, url, {}), request.payload_hash};
    // Moments and tokens of a presigned URL stand in its query alone.
    parts.headers.erase("x-amz-date");
    parts.headers.erase("x-amz-security-token");
    const auto set = [&](std::string_view name, std::string_view value) {
        std::erase_if(parts.parameters, [&](const auto& known) { return known.first == name; });
        parts.parameters.emplace_back(name, percent_encode(value));
    };
    std::erase_if(parts.parameters, [](const auto& p) { return p.first == "X-Amz-Signature"; });
    set("X-Amz-Algorithm", algorithm);
    set("X-Amz-Credential", credentials.access_key + '/' + credential_scope(scope));
    set("X-Amz-Date", amz_date(scope.time));
    set("X-Amz-Expires", std::to_string(seconds));
    set("X-Amz-SignedHeaders", names_of(parts.headers));
    const bool has_token = !credentials.session_token.empty();
    if (has_token && rules.sign_session_token) {
        set("X-Amz-Security-Token", credentials.session_token);
    }
    PresignedUrl out;
    out.steps = sign(request, parts, credentials, scope);
    if (has_token && !rules.sign_session_token) {
        set("X-Amz-Security-Token", credentials.session_token);
    }
    url.path = url.path.empty() ? "/" : url.path;
    url.query = query_of(parts.parameters) + "&X-Amz-Signature=" + out.steps.signature;
    out.url = url.text();
    return out;
}

} // namespace backstay::core
