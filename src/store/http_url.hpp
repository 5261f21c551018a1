#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace backstay::core
{

/// The parts of an http or https URL as they stand in it, nothing decoded; a fragment is dropped.
struct HttpUrl {
    std::string scheme;     ///< "http" or "https"
    std::string host;       ///< in lower case; an IPv6 address in its brackets
    std::uint16_t port = 0; ///< 0: the scheme's own
    std::string path;       ///< starts with '/', or is empty
    std::string query;      ///< without '?'

    /// What the Host header says: the port only where it is not the scheme's own.
    std::string authority() const;
    std::string text() const;
};

/// Throws Error{invalid}: no such URL, a user name or password in it, or a port out of range.
HttpUrl parse_http_url(std::string_view url);

/// Whether a host is an IPv4 address or a bracketed IPv6 address.
bool is_ip_address(std::string_view host);

enum class Slash { encoded, kept };

/// Encodes every byte but A-Z a-z 0-9 '-' '.' '_' '~' as %XX in upper case (RFC 3986, and what
/// Signature V4 asks for).
std::string percent_encode(std::string_view text, Slash slash = Slash::encoded);

/// Decodes %XX of either case; a '%' without two digits stands for itself, and so does '+'.
std::string percent_decode(std::string_view text);

} // namespace backstay::core
