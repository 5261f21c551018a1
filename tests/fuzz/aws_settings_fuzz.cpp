#include "base/bytes.hpp"
#include "base/error.hpp"
#include "store/aws_credential_document.hpp"
#include "store/aws_profiles.hpp"
#include "store/aws_signature.hpp"
#include "store/s3_endpoint.hpp"

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

void demand_one_line(const HeaderList& headers)
{
    for (const auto& header : headers) {
        if (header.second.find_first_of("\r\n") != std::string::npos) {
            std::abort(); // another header
        }
    }
}

void sign(const std::string& text)
{
    const SigningScope scope{"us-east-1", "s3", {1'764'000'000, 0}};
    const AwsCredentials key("AKID", "secret");
    for (const SigningRules& rules : {s3_signing_rules, general_signing_rules}) {
        const SigningRequest request{"GET", "https://h/" + text, {{"x-amz-meta-a", text}}, "x"};
        demand_one_line(sign_headers(request, key, scope, rules).add);
        presign_url(request, key, scope, rules, 60);
    }
}

} // namespace

// An input is a text: shared file, JSON document, URI, path and header in turn.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string text(as_text({data, size}));
    AwsProfiles profiles;
    profiles.add_config(text);
    profiles.add_credentials(text);
    profiles.setting("default", "region");
    attempt([&] { parse_process_credentials(text, "the fuzzer"); });
    attempt([&] { parse_metadata_credentials(text, "the fuzzer"); });
    attempt([&] {
        const S3Location place = parse_s3_uri(text);
        resolve_s3_endpoint(place.bucket, {.endpoint = place.endpoint});
    });
    attempt([&] { sign(text); });
    return 0;
}
