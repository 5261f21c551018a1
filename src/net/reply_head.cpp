#include "net/reply_head.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

std::string_view trimmed(std::string_view text)
{
    constexpr std::string_view blank = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(blank);
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(blank) + 1 - begin);
}

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/// The status in "HTTP/1.1 200 OK", or 0.
int status_in(std::string_view line)
{
    const std::size_t space = line.find(' ');
    const std::string_view digits =
        space == std::string_view::npos ? std::string_view{} : line.substr(space + 1, 3);
    if (digits.size() != 3 || !std::all_of(digits.begin(), digits.end(), is_digit)) {
        return 0;
    }
    return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

} // namespace

std::string ReplyHead::take(std::string_view line)
{
    bytes_ += line.size();
    if (bytes_ > most_bytes_) {
        return fmt::format("the server sends more than {} bytes of headers", most_bytes_);
    }
    if (++lines_ > most_headers_ + 2) {
        return fmt::format("the server sends more than {} headers", most_headers_);
    }
    // After "417 Expectation Failed" libcurl asks again without the expectation.
    const bool next_head = status_ == 0 || (complete_ && status_ == 417) || status_ / 100 == 1;
    if (next_head && line.substr(0, 5) == "HTTP/") {
        return take_status_line(line);
    }
    if (complete_) {
        return {};
    }
    if (trimmed(line).empty()) {
        complete_ = status_ / 100 != 1 || status_ == 101;
        return {};
    }
    return take_field(line);
}

std::string ReplyHead::take_status_line(std::string_view line)
{
    status_ = status_in(line);
    complete_ = false;
    headers_.clear();
    return status_ < 100 ? "the server's status line makes no sense" : "";
}

std::string ReplyHead::take_field(std::string_view line)
{
    // RFC 9112, 5.2: obsolete folding.
    if ((line.front() == ' ' || line.front() == '\t') && !headers_.empty()) {
        headers_.back().second.append(" ").append(trimmed(line));
        return {};
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
        return "the server sends a header without a name";
    }
    headers_.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
    return {};
}

} // namespace backstay::core
