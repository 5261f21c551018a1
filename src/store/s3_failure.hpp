#pragma once

#include "base/clock.hpp"
#include "base/error.hpp"
#include "net/http_reply.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// What is to be done about a failed request.
enum class S3FailureKind {
    transient,    ///< try again soon
    throttled,    ///< try again later, with fewer requests at once
    clock_skew,   ///< sign again by the server's clock, once
    expired,      ///< get new credentials and try again, once
    wrong_region, ///< go to S3Failure::region, if it is there
    taken,        ///< the condition does not hold: the key exists
    no_object,
    no_upload,
    no_bucket,
    bad_range,    ///< begins behind the object's end
    archived,     ///< must be restored from its storage class first
    no_such_tier, ///< of an archive: it does not give out so, or not now
    no_space,
    bad_key, ///< access key, secret or token
    denied,
    unsupported, ///< the server does not know the request
    rejected,    ///< anything else that no repetition helps
};

/// "throttled" and so on, for logs.
const char* s3_failure_kind_name(S3FailureKind kind);

/// A reply that is an error. Texts come from the server: cut to a length, without control
/// characters.
struct S3Failure {
    S3FailureKind kind = S3FailureKind::rejected;
    int status = 0;
    std::string code;    ///< "NoSuchKey"; empty if the reply has no body (HEAD)
    std::string message; ///< the server's
    std::string request_id;
    std::string region;                   ///< where the bucket is, if the reply says so
    std::optional<double> retry_after;    ///< seconds, as the server asks, 60 at most
    std::optional<Timestamp> server_time; ///< the reply's Date
};

/// Empty if the reply is a success: 2xx, and the body, if it is here, is no error. A 200 may hold
/// one (CompleteMultipartUpload, CopyObject).
std::optional<S3Failure> s3_failure_of(const HttpReply& reply);

/// What a code means that stands beside others in a success (DeleteObjects).
S3FailureKind s3_kind_of_code(const std::string& code);

/// Whether the same request may succeed when it is sent again as it is.
inline bool is_retried(S3FailureKind kind)
{
    return kind == S3FailureKind::transient || kind == S3FailureKind::throttled;
}

struct S3Attempt {
    std::string operation; ///< "get the object"
    std::string bucket;
    std::string key; ///< may be empty
    int attempts = 1;
};

/// One sentence: what could not be done, why, what to do, with status, code, request id and
/// attempts. The subject is the key, else the bucket.
Error s3_error(const S3Failure& failure, const S3Attempt& attempt);

/// RFC 9110's date ("Tue, 24 Nov 2026 10:00:00 GMT"); empty for anything else.
std::optional<Timestamp> parse_http_date(std::string_view text);

} // namespace backstay::core
