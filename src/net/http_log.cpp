#include "net/http_log.hpp"

#include "base/size_text.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::string_view mask = "***";

/// Whoever logs more than he should is worse than one who logs too little, so parts of names do.
constexpr std::array<std::string_view, 9> secret_parts{
    "authorization", "token",     "secret",  "password",     "passwd",
    "cookie",        "signature", "api-key", "customer-key",
};
constexpr std::array<std::string_view, 6> secret_names{"sig",        "api_key", "apikey",
                                                       "access_key", "key",     "x-auth-key"};
/// They tell a page of a list, nothing else.
constexpr std::array<std::string_view, 2> harmless_names{"continuation-token", "marker-token"};

std::string lower(std::string_view text)
{
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char small = static_cast<char>(c | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/// An encoded letter must not hide a name.
std::string decoded(std::string_view text)
{
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
            digit(text[i + 2]) >= 0) {
            result += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
            i += 2;
        } else {
            result += text[i];
        }
    }
    return result;
}

bool is_secret(std::string_view name)
{
    const std::string small = lower(decoded(name));
    const auto is = [&small](std::string_view other) { return small == other; };
    if (std::any_of(harmless_names.begin(), harmless_names.end(), is)) {
        return false;
    }
    return std::any_of(secret_names.begin(), secret_names.end(), is) ||
           std::any_of(secret_parts.begin(), secret_parts.end(), [&small](std::string_view part) {
               return small.find(part) != std::string::npos;
           });
}

std::string masked_query(std::string_view query)
{
    std::string result;
    while (true) {
        const std::size_t end = std::min(query.find_first_of("&;"), query.size());
        const std::string_view pair = query.substr(0, end);
        const std::size_t equals = pair.find('=');
        if (equals != std::string_view::npos && is_secret(pair.substr(0, equals))) {
            result += pair.substr(0, equals + 1);
            result += mask;
        } else {
            result += pair;
        }
        if (end == query.size()) {
            return result;
        }
        result += query[end];
        query.remove_prefix(end + 1);
    }
}

} // namespace

std::string masked_url(std::string_view url)
{
    const std::size_t scheme = url.find("://");
    const std::size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
    const std::size_t host_end = std::min(url.find_first_of("/?#", host), url.size());
    std::string result(url.substr(0, host));
    const std::size_t at = url.substr(host, host_end - host).rfind('@');
    if (at != std::string_view::npos) {
        result += mask;
        result += url.substr(host + at, host_end - host - at);
    } else {
        result += url.substr(host, host_end - host);
    }
    const std::size_t query = url.find('?', host_end);
    if (query == std::string_view::npos) {
        return result.append(url.substr(host_end));
    }
    result += url.substr(host_end, query + 1 - host_end);
    return result + masked_query(url.substr(query + 1));
}

std::string masked_text(std::string_view text)
{
    const std::size_t at = text.rfind('@');
    if (at == std::string_view::npos) {
        return std::string(text);
    }
    const std::string_view before = text.substr(0, at);
    std::size_t begin = 0;
    if (const std::size_t scheme = before.find("://"); scheme != std::string_view::npos) {
        begin = scheme + 3;
    } else if (const std::size_t quote = before.find('\''); quote != std::string_view::npos) {
        begin = quote + 1;
    }
    return std::string(text.substr(0, begin)).append(mask).append(text.substr(at));
}

std::string masked_header(std::string_view name, std::string_view value)
{
    const std::string small = lower(name);
    if (small == "location" || small == "content-location" || small == "referer") {
        return masked_url(value);
    }
    return is_secret(small) ? std::string(mask) : std::string(value);
}

std::string log_line(const HttpLogEntry& entry)
{
    return fmt::format("{} {} {} in {:.3f} s, {} sent, {} received", entry.method, entry.url,
                       entry.error.empty() ? std::to_string(entry.status) : entry.error,
                       entry.seconds, format_size(entry.bytes_sent),
                       format_size(entry.bytes_received));
}

} // namespace backstay::core
