#pragma once

#include "net/header_list.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace backstay::core
{

/// Status line and headers of a reply, gathered line by line, within limits. Heads of 1xx replies
/// are passed over, trailers ignored; both count. One thread at a time.
class ReplyHead
{
public:
    ReplyHead(std::size_t most_bytes, std::size_t most_headers)
        : most_bytes_(most_bytes), most_headers_(most_headers)
    {
    }

    /// A line as libcurl gives it, with its end. Empty if all is well, else what is wrong with it.
    std::string take(std::string_view line);

    /// The empty line behind a head that is no 1xx was seen.
    bool complete() const { return complete_; }
    int status() const { return status_; }
    const HeaderList& headers() const { return headers_; }

private:
    std::string take_status_line(std::string_view line);
    std::string take_field(std::string_view line);

    std::size_t most_bytes_;
    std::size_t most_headers_;
    std::size_t bytes_ = 0;
    std::size_t lines_ = 0;
    int status_ = 0;
    bool complete_ = false;
    HeaderList headers_;
};

} // namespace backstay::core
