#include "store/aws_credential_document.hpp"

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "store/xml_document.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_document = 64 * KiB;

[[noreturn]] void refuse(std::string_view why, const std::string& origin)
{
    throw Error(ErrorCode::invalid, fmt::format("{} gave no usable credentials: {}", origin, why),
                origin);
}

/// Keys go into headers: a line's end in one would be another header.
void demand_usable(const AwsCredentials& credentials, const std::string& origin)
{
    for (const std::string* text :
         {&credentials.access_key, &credentials.secret_key, &credentials.session_token}) {
        const bool harmful = std::any_of(text->begin(), text->end(), [](char c) {
            return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
        });
        if (harmful) {
            refuse("a key has a blank or control character in it", origin);
        }
    }
    if (credentials.access_key.empty() || credentials.secret_key.empty()) {
        refuse("access key or secret key is missing", origin);
    }
}

void set_expiration(AwsCredentials& credentials, const std::string& text, const std::string& origin)
{
    if (text.empty()) {
        return;
    }
    credentials.expiration = parse_time(text);
    if (!credentials.expiration) {
        refuse("the expiration is no time", origin);
    }
}

nlohmann::json parse_object(std::string_view text, const std::string& origin)
{
    if (text.size() > largest_document) {
        refuse("the document is too large", origin);
    }
    nlohmann::json document = nlohmann::json::parse(text, nullptr, false);
    if (!document.is_object()) {
        refuse("it is no JSON object", origin);
    }
    return document;
}

/// Empty if it is not there or null.
std::string member(const nlohmann::json& document, const char* name, const std::string& origin)
{
    const auto place = document.find(name);
    if (place == document.end() || place->is_null()) {
        return {};
    }
    if (!place->is_string()) {
        refuse(fmt::format("{} is no text", name), origin);
    }
    return place->get<std::string>();
}

AwsCredentials credentials_in(const nlohmann::json& document, const char* token_name,
                              const std::string& origin)
{
    AwsCredentials out(member(document, "AccessKeyId", origin),
                       member(document, "SecretAccessKey", origin),
                       member(document, token_name, origin));
    out.origin = origin;
    demand_usable(out, origin);
    set_expiration(out, member(document, "Expiration", origin), origin);
    return out;
}

} // namespace

AwsCredentials parse_process_credentials(std::string_view json, const std::string& origin)
{
    const nlohmann::json document = parse_object(json, origin);
    const auto version = document.find("Version");
    if (version == document.end() || *version != 1) {
        refuse("its Version is not 1", origin);
    }
    return credentials_in(document, "SessionToken", origin);
}

AwsCredentials parse_metadata_credentials(std::string_view json, const std::string& origin)
{
    const nlohmann::json document = parse_object(json, origin);
    const std::string code = member(document, "Code", origin);
    if (!code.empty() && code != "Success") {
        refuse("it reports a failure", origin);
    }
    return credentials_in(document, "Token", origin);
}

AwsCredentials parse_sts_credentials(std::string_view xml, const std::string& origin)
{
    const auto root = parse_xml(as_bytes(xml), {largest_document, 200, 8});
    if (root) {
        for (const XmlElement& result : root->children) {
            if (const XmlElement* found = result.find("Credentials")) {
                AwsCredentials out(found->text_of("AccessKeyId"), found->text_of("SecretAccessKey"),
                                   found->text_of("SessionToken"));
                out.origin = origin;
                demand_usable(out, origin);
                set_expiration(out, found->text_of("Expiration"), origin);
                return out;
            }
        }
    }
    refuse("it is no reply of the token service", origin);
}

} // namespace backstay::core
