#pragma once

#include "net/header_list.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace backstay::core
{

/// One exchange as it may be shown to anybody: every secret is replaced by "***".
struct HttpLogEntry {
    std::string method;
    std::string url;
    HeaderList request_headers;
    int status = 0; ///< 0: no reply
    HeaderList reply_headers;
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    double seconds = 0;
    bool kept_connection = false;
    std::string remote_address;
    std::string error; ///< empty: there is a reply
};

/// Called at the end of every exchange, on the thread that is in send(), from several at once. What
/// it throws is dropped.
using HttpLog = std::function<void(const HttpLogEntry&)>;

/// The URL with the values of signatures, tokens, passwords and the like, and any user name and
/// password in front of the host, replaced by "***".
std::string masked_url(std::string_view url);

/// Somebody else's words that may quote a URL: what could be a user name and password in front of
/// an '@' is replaced by "***", rather too much than too little.
std::string masked_text(std::string_view text);

/// As masked_url() for a header's value; URLs in Location, Content-Location and Referer are masked
/// as such.
std::string masked_header(std::string_view name, std::string_view value);

/// One line: "PUT https://host/key?sig=*** 200 in 0.123 s, 5.00 MiB sent, 0 B received".
std::string log_line(const HttpLogEntry& entry);

} // namespace backstay::core
