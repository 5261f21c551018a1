#include "store/s3_failure.hpp"

#include "store/s3_endpoint.hpp"
#include "store/xml_document.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/core.h>
#include <span>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t longest_text = 300;
constexpr double longest_pause = 60.0;

using Kind = S3FailureKind;

/// A text of the server's that may be shown.
std::string shown(std::string_view text)
{
    std::string out(text.substr(0, longest_text));
    std::replace_if(
        out.begin(), out.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
    while (!is_utf8(out)) { // cut in the middle of a character, or not UTF-8 at all
        out.pop_back();
    }
    return out;
}

std::string header_text(const HttpReply& reply, std::string_view name)
{
    return shown(reply.header(name).value_or(std::string_view()));
}

// --- Classes ------------------------------------------------------------------------------------

// The manual's "List of error codes", and what other servers add.
constexpr std::array<std::pair<std::string_view, Kind>, 50> known_codes{{
    {"AccessDenied", Kind::denied},
    {"AccountProblem", Kind::denied},
    {"AllAccessDisabled", Kind::denied},
    {"AuthorizationHeaderMalformed", Kind::bad_key},
    {"BadDigest", Kind::transient}, // altered on the way
    {"BandwidthLimitExceeded", Kind::throttled},
    {"Busy", Kind::throttled},
    {"ConditionalRequestConflict", Kind::transient},
    {"ExpiredToken", Kind::expired},
    {"ExpiredTokenException", Kind::expired},
    {"GlacierExpeditedRetrievalNotAvailable", Kind::no_such_tier}, // a 503
    {"IncompleteBody", Kind::transient},
    {"InsufficientStorage", Kind::no_space},
    {"InternalError", Kind::transient},
    {"InternalFailure", Kind::transient},
    {"InvalidAccessKeyId", Kind::bad_key},
    {"InvalidClientTokenId", Kind::bad_key},
    {"InvalidObjectState", Kind::archived},
    {"InvalidRange", Kind::bad_range},
    {"InvalidSecurity", Kind::bad_key},
    {"InvalidToken", Kind::bad_key},
    {"MethodNotAllowed", Kind::unsupported},
    {"NoSuchBucket", Kind::no_bucket},
    {"NoSuchKey", Kind::no_object},
    {"NoSuchUpload", Kind::no_upload},
    {"NoSuchVersion", Kind::no_object},
    {"NotImplemented", Kind::unsupported},
    {"NotSignedUp", Kind::denied},
    {"OperationAborted", Kind::transient},
    {"PermanentRedirect", Kind::wrong_region},
    {"PreconditionFailed", Kind::taken},
    {"PriorRequestNotComplete", Kind::throttled},
    {"QuotaExceeded", Kind::no_space},
    {"Redirect", Kind::wrong_region},
    {"RequestExpired", Kind::clock_skew},
    {"RequestInTheFuture", Kind::clock_skew},
    {"RequestLimitExceeded", Kind::throttled},
    {"RequestThrottled", Kind::throttled},
    {"RequestThrottledException", Kind::throttled},
    {"RequestTimeTooSkewed", Kind::clock_skew},
    {"RequestTimeout", Kind::transient},
    {"RequestTimeoutException", Kind::transient},
    {"ServiceUnavailable", Kind::throttled},
    {"SignatureDoesNotMatch", Kind::bad_key},
    {"TemporaryRedirect", Kind::wrong_region},
    {"TokenRefreshRequired", Kind::expired},
    {"TooManyRequests", Kind::throttled},
    {"TooManyRequestsException", Kind::throttled},
    {"UnrecognizedClientException", Kind::bad_key},
    {"XAmzContentSHA256Mismatch", Kind::transient}, // altered on the way
}};

Kind kind_of_status(int status)
{
    switch (status) {
    case 301:
    case 302:
    case 307:
    case 308:
        return Kind::wrong_region;
    case 401:
    case 403:
    case 407:
        return Kind::denied;
    case 404:
        return Kind::no_object;
    case 405:
    case 501:
        return Kind::unsupported;
    case 408:
    case 500:
    case 502:
    case 504:
        return Kind::transient;
    case 412:
        return Kind::taken;
    case 416:
        return Kind::bad_range;
    case 429:
    case 503:
        return Kind::throttled;
    case 507:
        return Kind::no_space;
    default:
        return Kind::rejected;
    }
}

Kind kind_of(int status, const std::string& code, bool knows_region)
{
    if (knows_region &&
        (code == "AuthorizationHeaderMalformed" || code == "IllegalLocationConstraintException" ||
         (code.empty() && status == 400))) {
        return Kind::wrong_region;
    }
    if (code.starts_with("SlowDown") || code.starts_with("Throttl")) {
        return Kind::throttled;
    }
    const auto* row = std::find_if(known_codes.begin(), known_codes.end(),
                                   [&](const auto& known) { return known.first == code; });
    if (row != known_codes.end()) {
        return row->second;
    }
    // Some servers say 412 where they mean that they do not know the condition.
    return status == 412 && !code.empty() ? Kind::unsupported : kind_of_status(status);
}

// --- What a reply says --------------------------------------------------------------------------

/// The error in a body, if there is one. STS wraps it in ErrorResponse.
std::optional<XmlElement> error_in(std::string_view body)
{
    if (body.find("Error") == std::string_view::npos) {
        return std::nullopt;
    }
    std::optional<XmlElement> root = parse_xml(as_bytes(body));
    if (root && root->name == "ErrorResponse" && root->find("Error") != nullptr) {
        XmlElement inner = *root->find("Error");
        inner.children.push_back({"RequestId", root->text_of("RequestId"), {}});
        return inner;
    }
    return root && root->name == "Error" ? std::move(root) : std::nullopt;
}

/// The region in a server's words: a name that may stand in a host's, or nothing.
std::string region_of(const HttpReply& reply, const XmlElement& error)
{
    for (const std::string& named :
         {header_text(reply, "x-amz-bucket-region"), error.text_of("Region")}) {
        if (is_region_name(named)) {
            return named;
        }
    }
    std::string host = error.text_of("Endpoint");
    if (host.empty()) {
        const std::string location = header_text(reply, "location");
        const std::size_t start = location.find("://");
        host = start == std::string::npos ? "" : location.substr(start + 3);
        host.resize(std::min(host.find('/'), host.size()));
    }
    const std::size_t service = host.find(".s3"); // behind the bucket's name
    return aws_region_in_host(service == std::string::npos ? host : host.substr(service + 1));
}

std::optional<double> seconds_in(std::optional<std::string_view> text)
{
    unsigned value = 0;
    if (!text || text->empty()) {
        return std::nullopt;
    }
    const char* end = text->data() + text->size();
    const auto [stop, failed] = std::from_chars(text->data(), end, value);
    return failed == std::errc() && stop == end ? std::optional<double>(value) : std::nullopt;
}

std::optional<double> retry_after(const HttpReply& reply)
{
    std::optional<double> seconds = seconds_in(reply.header("retry-after"));
    if (const auto milliseconds = seconds_in(reply.header("x-amz-retry-after"))) {
        seconds = *milliseconds / 1000.0;
    }
    return seconds ? std::optional<double>(std::min(*seconds, longest_pause)) : std::nullopt;
}

// --- What it means to the user ------------------------------------------------------------------

std::string skew_text(const S3Failure& failure)
{
    if (!failure.server_time) {
        return "this machine's clock differs too much from the server's: set it";
    }
    return fmt::format("this machine's clock differs too much from the server's, which says {}: "
                       "set it",
                       format_time(*failure.server_time));
}

std::string bad_key_text(const S3Failure& failure)
{
    if (failure.code == "SignatureDoesNotMatch") {
        return "the secret key does not belong to the access key: check both";
    }
    if (failure.code.find("Token") != std::string::npos) {
        return "the session token is not valid: get new credentials";
    }
    return "the server does not know the access key: check it, and that it is for this endpoint";
}

std::string denied_text(const S3Failure& failure)
{
    constexpr int proxy_wants_a_password = 407;
    if (failure.status == proxy_wants_a_password) {
        return "the proxy demands a user and password, or others: give them in http_proxy, as "
               "http://user:password@host:port";
    }
    return "the server denies it: give the key's user the permission";
}

std::string reason(const S3Failure& failure, const S3Attempt& attempt)
{
    switch (failure.kind) {
    case Kind::transient:
        return "the server failed: try again later";
    case Kind::throttled:
        return "the server is asked for too much: try again later or with fewer connections";
    case Kind::clock_skew:
        return skew_text(failure);
    case Kind::expired:
        return "the credentials have expired: get new ones";
    case Kind::wrong_region:
        return failure.region.empty()
                   ? std::string("the bucket is elsewhere: give its region or endpoint")
                   : fmt::format("the bucket is in the region {}: give that region",
                                 failure.region);
    case Kind::taken:
        return "the object exists already";
    case Kind::no_object:
        return "there is no such object";
    case Kind::no_upload:
        return "the upload was ended by somebody else: start it again";
    case Kind::no_bucket:
        return fmt::format("there is no bucket '{}': create it, or check name and endpoint",
                           attempt.bucket);
    case Kind::bad_range:
        return "the object is shorter than was asked for";
    case Kind::archived:
        return "the object is in an archive storage class: have the server restore it "
               "(restore with --thaw, or RestoreObject), wait until it has, and run this again";
    case Kind::no_such_tier:
        return "the archive does not give out as fast as that, or not now: take another tier";
    case Kind::no_space:
        return "the bucket or account is full: raise its quota or prune";
    case Kind::bad_key:
        return bad_key_text(failure);
    case Kind::denied:
        return denied_text(failure);
    case Kind::unsupported:
        return "the server does not know this request";
    case Kind::rejected:
        return "the server rejects it";
    }
    return {};
}

ErrorCode error_code(Kind kind)
{
    switch (kind) {
    case Kind::transient:
    case Kind::throttled:
        return ErrorCode::unavailable;
    case Kind::wrong_region:
        return ErrorCode::invalid;
    case Kind::taken:
        return ErrorCode::exists;
    case Kind::no_object:
    case Kind::no_upload:
    case Kind::no_bucket:
        return ErrorCode::not_found;
    case Kind::no_space:
        return ErrorCode::no_space;
    case Kind::clock_skew:
    case Kind::expired:
    case Kind::bad_key:
    case Kind::denied:
    case Kind::archived: // which is no damage
        return ErrorCode::denied;
    case Kind::no_such_tier:
    case Kind::unsupported:
        return ErrorCode::unsupported;
    case Kind::bad_range:
    case Kind::rejected:
        return ErrorCode::storage;
    }
    return ErrorCode::internal;
}

} // namespace

const char* s3_failure_kind_name(S3FailureKind kind)
{
    constexpr std::array<const char*, 17> names{
        "transient", "throttled", "clock-skew", "expired",     "wrong-region", "taken",
        "no-object", "no-upload", "no-bucket",  "bad-range",   "archived",     "no-such-tier",
        "no-space",  "bad-key",   "denied",     "unsupported", "rejected",
    };
    return names[static_cast<std::size_t>(kind)];
}

S3FailureKind s3_kind_of_code(const std::string& code)
{
    constexpr int success = 200;
    return kind_of(success, code, false);
}

std::optional<S3Failure> s3_failure_of(const HttpReply& reply)
{
    const std::optional<XmlElement> error = error_in(reply.body);
    if (reply.ok() && !error) {
        return std::nullopt;
    }
    const XmlElement& said = error ? *error : XmlElement{};
    S3Failure failure;
    failure.status = reply.status;
    failure.code = shown(said.text_of("Code"));
    failure.message = shown(said.text_of("Message"));
    failure.request_id = header_text(reply, "x-amz-request-id");
    if (failure.request_id.empty()) {
        failure.request_id = shown(said.text_of("RequestId"));
    }
    failure.region = region_of(reply, said);
    failure.retry_after = retry_after(reply);
    if (const auto date = reply.header("date")) {
        failure.server_time = parse_http_date(*date);
    }
    failure.kind = kind_of(reply.status, failure.code, !failure.region.empty());
    if (reply.ok() && failure.kind == Kind::rejected) {
        failure.kind = Kind::transient; // after a 200 the request itself was in order
    }
    return failure;
}

Error s3_error(const S3Failure& failure, const S3Attempt& attempt)
{
    std::string details = std::to_string(failure.status);
    if (!failure.code.empty()) {
        details += ' ' + failure.code;
    }
    if (!failure.message.empty()) {
        details += fmt::format(": \"{}\"", failure.message);
    }
    if (!failure.request_id.empty()) {
        details += ", request " + failure.request_id;
    }
    if (attempt.attempts > 1) {
        details += fmt::format(", {} attempts", attempt.attempts);
    }
    return {error_code(failure.kind),
            fmt::format("cannot {} in bucket '{}': {} ({})", attempt.operation, attempt.bucket,
                        reason(failure, attempt), details),
            attempt.key.empty() ? attempt.bucket : attempt.key};
}

std::optional<Timestamp> parse_http_date(std::string_view text)
{
    // By hand, for strptime() goes by the locale: "Tue, 24 Nov 2026 10:00:00 GMT".
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    constexpr std::size_t size = 29;
    if (text.size() != size || text.substr(3, 2) != ", " || text.substr(25) != " GMT") {
        return std::nullopt;
    }
    const std::size_t month = months.find(text.substr(8, 3));
    if (month == std::string_view::npos || month % 3 != 0) {
        return std::nullopt;
    }
    return parse_time(fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), month / 3 + 1,
                                  text.substr(5, 2), text.substr(17, 8)));
}

} // namespace backstay::core
