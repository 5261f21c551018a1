#pragma once

#include "base/bytes.hpp"
#include "net/header_list.hpp"
#include "net/http_body.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace backstay::core
{

/// Fewer than `bytes_per_second` for `time` is a stall. Time in which we ourselves held the
/// transfer back (source, sink, bandwidth) does not count. A `time` of zero switches it off.
struct StallLimit {
    std::uint64_t bytes_per_second = KiB;
    std::chrono::milliseconds time{30'000};
};

/// One exchange. Whatever it points to must live until HttpClient::send() returns.
struct HttpRequest {
    std::string method = "GET";
    /// http or https, sent byte for byte: percent-encoded by the caller, no user name or password.
    std::string url;
    /// Sent as they are, beside Host, User-Agent and Content-Length, which may be given, too.
    HeaderList headers;

    /// The body: bytes, not copied, or a source. GET, HEAD and DELETE send one only if it is there.
    ByteSpan body;
    BodySource* body_source = nullptr;

    /// Where the body of a 2xx reply goes: to the sink, or to the front of the buffer (a longer one
    /// is HttpFailure::too_large), or, without both, to HttpReply::body.
    BodySink* reply_sink = nullptr;
    std::optional<MutableByteSpan> reply_buffer;
    /// For HttpReply::body: a longer one of a 2xx reply is HttpFailure::too_large, of any other
    /// reply it is cut (HttpReply::body_cut).
    std::size_t reply_limit = MiB;

    /// From the call of send() to the end of the body. Zero: none.
    std::chrono::milliseconds deadline{0};
    /// Empty: as in the client's options.
    std::optional<std::chrono::milliseconds> connect_timeout;
    std::optional<StallLimit> stall;
    /// A kept connection may turn out closed after the request went out on it and before a byte of
    /// reply. GET and HEAD are then sent again on a fresh one; others only if this is set, for the
    /// first may have taken effect. Never with a body source.
    bool repeatable = false;
    /// For servers of the host itself (instance metadata).
    bool bypass_proxy = false;
};

} // namespace backstay::core
