#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>

namespace backstay::core
{

struct HttpReply;

/// Gives the body of a request piece by piece. Called on the thread that is in HttpClient::send(),
/// so it may wait; meanwhile the connection waits, too. What it throws comes out of send().
class BodySource
{
public:
    virtual ~BodySource() = default;

    /// Known: sent as Content-Length, and read() must give exactly that many bytes. Empty: chunked.
    virtual std::optional<std::uint64_t> size() const { return std::nullopt; }

    /// Fills the front of `buffer` (never empty) and says how much; 0 is the end.
    virtual std::size_t read(MutableByteSpan buffer) = 0;
};

/// Takes the body of a reply with status 2xx piece by piece. Called on the thread that is in
/// HttpClient::send(), so it may wait; meanwhile the connection waits, too, and nothing piles up.
/// What it throws ends the exchange and comes out of send().
class BodySink
{
public:
    virtual ~BodySink() = default;

    /// Once, before the first write(), and for an empty body too: status and headers are there.
    virtual void begin(const HttpReply& /*head*/) {}

    virtual void write(ByteSpan bytes) = 0;
};

} // namespace backstay::core
