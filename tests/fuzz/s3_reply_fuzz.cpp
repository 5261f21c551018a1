#include "base/bytes.hpp"
#include "base/error.hpp"
#include "store/aws_credential_document.hpp"
#include "store/s3_failure.hpp"
#include "store/s3_listing.hpp"

#include <cstdlib>

using namespace backstay::core;

namespace
{

/// Anything but a value or an Error is a fault.
template <typename Parse>
void attempt(Parse&& parse)
{
    try {
        parse();
    } catch (const Error&) {
    }
}

} // namespace

// An input is a byte that makes the status, and the body of a reply.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0) {
        return 0;
    }
    HttpReply reply;
    reply.status = 200 + data[0] * 2;
    reply.body = as_text({data + 1, size - 1});
    const auto failure = s3_failure_of(reply);
    if (!failure && !reply.ok()) {
        std::abort();
    }
    if (failure) {
        const std::string text = s3_error(*failure, {"try", "bucket", "key", 1}).what();
        if (!is_utf8(text) || text.find('\n') != std::string::npos) {
            std::abort(); // a server's bytes in the user's terminal
        }
    }
    attempt([&] { parse_list_v1(reply.body); });
    attempt([&] { parse_list_v2(reply.body); });
    attempt([&] { parse_version_list(reply.body); });
    attempt([&] { parse_upload_list(reply.body); });
    attempt([&] { parse_upload_id(reply.body); });
    attempt([&] { parse_delete_result(reply.body); });
    attempt([&] { parse_bucket_location(reply.body); });
    attempt([&] { parse_sts_credentials(reply.body, "the fuzzer"); });
    return 0;
}
