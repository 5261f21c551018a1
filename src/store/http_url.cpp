#include "store/http_url.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

[[noreturn]] void refuse(std::string_view why, std::string_view url)
{
    throw Error(ErrorCode::invalid, std::string(why), std::string(url));
}

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_host_name(std::string_view host)
{
    return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    });
}

std::uint16_t default_port(std::string_view scheme)
{
    return scheme == "https" ? 443 : 80;
}

/// `host[:port]` into `url`. Throws.
void parse_authority(std::string_view authority, HttpUrl& url, std::string_view whole)
{
    if (authority.find('@') != std::string_view::npos) {
        // Not repeated: what stands before '@' may be a password.
        refuse("a URL must not carry a user name or password: give keys by file or environment",
               {});
    }
    const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
    if (bracket == std::string_view::npos) {
        refuse("a bracket in the URL's host is not closed", whole);
    }
    const std::size_t colon = authority.find(':', bracket);
    url.host = authority.substr(0, colon);
    std::transform(url.host.begin(), url.host.end(), url.host.begin(), lower);
    if (!is_host_name(url.host) && !is_ip_address(url.host)) {
        refuse("the URL has no valid host name", whole);
    }
    if (colon == std::string_view::npos) {
        return;
    }
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, failed] =
        std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (failed != std::errc() || end != digits.data() + digits.size() || url.port == 0) {
        refuse("the URL's port is not a number from 1 to 65535", whole);
    }
    if (url.port == default_port(url.scheme)) {
        url.port = 0;
    }
}

bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/// -1 if it is no hexadecimal digit.
int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char small = lower(c);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

} // namespace

std::string HttpUrl::authority() const
{
    return port == 0 ? host : fmt::format("{}:{}", host, port);
}

std::string HttpUrl::text() const
{
    const std::string_view question = query.empty() ? "" : "?";
    return fmt::format("{}://{}{}{}{}", scheme, authority(), path, question, query);
}

HttpUrl parse_http_url(std::string_view url)
{
    HttpUrl parts;
    const std::size_t end = url.find("://");
    if (end != std::string_view::npos) {
        parts.scheme = url.substr(0, end);
        std::transform(parts.scheme.begin(), parts.scheme.end(), parts.scheme.begin(), lower);
    }
    if (parts.scheme != "http" && parts.scheme != "https") {
        refuse("the URL starts neither with http:// nor with https://", url);
    }
    std::string_view rest = url.substr(end + 3);
    rest = rest.substr(0, rest.find('#'));
    const std::size_t question = rest.find('?');
    if (question != std::string_view::npos) {
        parts.query = rest.substr(question + 1);
        rest = rest.substr(0, question);
    }
    const std::size_t slash = rest.find('/');
    if (slash != std::string_view::npos) {
        parts.path = rest.substr(slash);
        rest = rest.substr(0, slash);
    }
    parse_authority(rest, parts, url);
    return parts;
}

bool is_ip_address(std::string_view host)
{
    in6_addr ignored{}; // large enough for both kinds
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        const std::string inner(host.substr(1, host.size() - 2));
        return ::inet_pton(AF_INET6, inner.c_str(), &ignored) == 1;
    }
    return ::inet_pton(AF_INET, std::string(host).c_str(), &ignored) == 1;
}

std::string percent_encode(std::string_view text, Slash slash)
{
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_unreserved(c) || (c == '/' && slash == Slash::kept)) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += '%';
            out += digits[byte >> 4U];
            out += digits[byte & 15U];
        }
    }
    return out;
}

std::string percent_decode(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool has_digits = text[i] == '%' && i + 2 < text.size() &&
                                digit_value(text[i + 1]) >= 0 && digit_value(text[i + 2]) >= 0;
        if (has_digits) {
            out += static_cast<char>(digit_value(text[i + 1]) * 16 + digit_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

} // namespace backstay::core
