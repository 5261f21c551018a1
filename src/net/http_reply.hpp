#pragma once

#include "net/header_list.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// What came back. Redirects are replies like any other: the caller decides.
struct HttpReply {
    int status = 0;
    HeaderList headers; ///< of the last head; names as sent, values trimmed
    std::string body;   ///< unless it went to a sink or buffer
    bool body_cut = false;
    std::uint64_t body_size = 0; ///< bytes of body that came, wherever they went

    double seconds = 0;           ///< from send() to the end
    bool kept_connection = false; ///< sent on a connection that had served before
    std::uint64_t bytes_sent = 0; ///< of body
    std::string remote_address;   ///< of server or proxy

    bool ok() const { return status >= 200 && status < 300; }
    /// See find_header().
    std::optional<std::string_view> header(std::string_view name) const
    {
        return find_header(headers, name);
    }
};

} // namespace backstay::core
