#include "canonical.hpp"
#include "net/reply_head.hpp"
#include "store/http_url.hpp"
#include "store/s3_failure.hpp"
#include "store/s3_listing.hpp"

using namespace backstay::core;

namespace
{

/// `read` takes the bytes, or says that the store gave what is none.
template <typename Read>
void take(std::string_view bytes, Read read)
{
    try {
        read(bytes);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::storage && error.code() != ErrorCode::invalid) {
            found(error.what());
        }
    }
}

void read_head(std::string_view rest)
{
    ReplyHead head(4096, 20);
    while (!rest.empty() && !head.complete()) {
        const std::size_t end = rest.find('\n');
        const std::size_t size = end == std::string_view::npos ? rest.size() : end + 1;
        if (!head.take(rest.substr(0, size)).empty()) {
            return;
        }
        rest.remove_prefix(size);
    }
}

/// What was parsed says as a text what is parsed as the same.
void read_url(std::string_view text)
{
    const std::string once = parse_http_url(text).text();
    if (parse_http_url(once).text() != once) {
        found("a URL reads otherwise than it was written");
    }
}

void read_encoded(std::string_view text)
{
    if (percent_decode(percent_encode(text)) != text) {
        found("a text that was encoded is another one");
    }
    percent_decode(text);
}

} // namespace

// An input is the kind of reply (1 byte) and what a server sends.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0) {
        return 0;
    }
    const std::string_view text = as_text({data + 1, size - 1});
    switch (data[0]) {
    case '0':
        take(text, parse_list_v2);
        take(text, parse_list_v1);
        take(text, parse_version_list);
        take(text, parse_upload_list);
        break;
    case '1':
        take(text, parse_upload_id);
        take(text, parse_delete_result);
        take(text, parse_bucket_location);
        break;
    case '2':
        parse_http_date(text);
        read_encoded(text);
        take(text, read_url);
        break;
    case '3':
        read_head(text);
        break;
    default:
        break;
    }
    return 0;
}
