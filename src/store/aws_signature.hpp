#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "net/header_list.hpp"
#include "store/aws_credentials.hpp"

#include <string>
#include <string_view>

namespace backstay::core
{

/// How services differ in what they sign.
struct SigningRules {
    bool normalise_path = true;       ///< drop "//", "/./" and "/../"
    bool encode_path_again = true;    ///< the path as sent is encoded once more
    bool content_hash_header = false; ///< x-amz-content-sha256 is sent and signed
    bool sign_session_token = true;   ///< false: the token is added after signing
};

/// STS and whatever else is not S3.
inline constexpr SigningRules general_signing_rules{};
/// The path is a key: encoded once, never normalised.
inline constexpr SigningRules s3_signing_rules{false, false, true, true};

/// In place of a payload's hash: the body is not signed. Only over TLS.
inline constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

/// A request as it is going to be sent.
struct SigningRequest {
    std::string method;
    std::string url;          ///< http(s)://host[:port]/path?query, as sent
    HeaderList headers;       ///< Host is taken from the URL unless it is here
    std::string payload_hash; ///< SHA-256 of the body in hex, or a word such as unsigned_payload
};

struct SigningScope {
    std::string region;
    std::string service; ///< "s3", "sts"
    Timestamp time;
};

/// What was signed, step by step, as the manual calls it: so that a refusal can be explained.
struct SignatureSteps {
    std::string canonical_request;
    std::string string_to_sign;
    std::string signed_headers; ///< "host;x-amz-date"
    std::string signature;      ///< hex
};

struct SignedHeaders {
    HeaderList add; ///< to be sent beside the request's own; replaces those of the same name
    SignatureSteps steps;
};

/// Signs by headers (AWS Signature Version 4). A pure function. Every header of the request is
/// signed but those that proxies and clients alter (Accept-Encoding, User-Agent, Connection,
/// Expect and so on); headers that the signature brings itself, left from an earlier attempt, are
/// ignored. A folded value ("a\r\n b") is signed as a list ("a,b"); any other control character in
/// a header is Error{invalid}. Error{invalid} for a URL that is none, and for anonymous
/// credentials.
SignedHeaders sign_headers(const SigningRequest& request, const AwsCredentials& credentials,
                           const SigningScope& scope, const SigningRules& rules);

struct PresignedUrl {
    std::string url;
    SignatureSteps steps;
};

/// Signs by the URL's query, good for `seconds` from the scope's time: 1 to 604800 (seven days),
/// else Error{invalid}. The request's headers must be sent as they were signed.
PresignedUrl presign_url(const SigningRequest& request, const AwsCredentials& credentials,
                         const SigningScope& scope, const SigningRules& rules,
                         std::uint32_t seconds);

} // namespace backstay::core
