#include "store/aws_credential_document.hpp"

#include "base/error.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

constexpr const char* process_json =
    R"({"Version":1,"AccessKeyId":"AK","SecretAccessKey":"SK","SessionToken":"ST","Expiration":"2026-11-25T10:00:00Z"})";

std::string refusal(const std::string& json)
{
    try {
        parse_process_credentials(json, "the process");
    } catch (const Error& e) {
        CHECK(e.code() == ErrorCode::invalid);
        return e.what();
    }
    return "accepted";
}

} // namespace

TEST_CASE("what a process, a service and the token service give is read")
{
    const AwsCredentials process = parse_process_credentials(process_json, "the process");
    CHECK(process.access_key == "AK");
    CHECK(process.secret_key == "SK");
    CHECK(process.session_token == "ST");
    CHECK(process.expiration == parse_time("2026-11-25T10:00:00Z"));
    CHECK(process.origin == "the process");
    const AwsCredentials lasting = parse_process_credentials(
        R"({"Version":1,"AccessKeyId":"AK","SecretAccessKey":"SK","SessionToken":null})", "p");
    CHECK_FALSE(lasting.expiration.has_value());
    CHECK(lasting.session_token.empty());

    const AwsCredentials service = parse_metadata_credentials(
        R"({"Code":"Success","AccessKeyId":"AK","SecretAccessKey":"SK","Token":"T","Expiration":"2026-11-25T10:00:00Z"})",
        "s");
    CHECK(service.session_token == "T");

    const AwsCredentials role = parse_sts_credentials(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>"
        "<Credentials><AccessKeyId>AK</AccessKeyId><SecretAccessKey>SK</"
        "SecretAccessKey><SessionToken>T"
        "</SessionToken><Expiration>2026-11-25T10:00:00.123Z</Expiration></Credentials></"
        "AssumeRoleResult>"
        "</AssumeRoleResponse>",
        "r");
    CHECK(role.session_token == "T");
    CHECK(role.expiration == parse_time("2026-11-25T10:00:00.123Z"));
}

TEST_CASE("what is no credentials is refused, and nothing secret is repeated")
{
    for (const std::string& json :
         {std::string(), std::string("null"), std::string("[]"), std::string("{}"),
          std::string("{\"Version\":1}"),
          std::string(R"({"Version":2,"AccessKeyId":"AK","SecretAccessKey":"hush"})"),
          std::string(R"({"Version":1,"AccessKeyId":"AK"})"),
          std::string(R"({"Version":1,"AccessKeyId":"AK","SecretAccessKey":""})"),
          std::string(R"({"Version":1,"AccessKeyId":7,"SecretAccessKey":"hush"})"),
          std::string(R"({"Version":1,"AccessKeyId":"AK","SecretAccessKey":"hush\r\nX: y"})"),
          std::string(
              R"({"Version":1,"AccessKeyId":"AK","SecretAccessKey":"hush","Expiration":"soon"})"),
          std::string(R"({"Version":1,"AccessKeyId":"AK","SecretAccessKey":"hush")"),
          std::string(100'000, '['), R"({"Version":1,"x":")" + std::string(70'000, 'x') + "\"}"}) {
        CAPTURE(json.substr(0, 100));
        const std::string said = refusal(json);
        CHECK(said.find("the process") != std::string::npos);
        CHECK(said.find("hush") == std::string::npos);
    }
    CHECK_THROWS_AS(parse_metadata_credentials(R"({"Code":"AssumeRoleUnauthorizedAccess"})", "s"),
                    Error);
    for (const std::string xml :
         {"", "<a/>", "<a><b/></a>", "<a><b><Credentials/></b></a>", "{}"}) {
        CAPTURE(xml);
        CHECK_THROWS_AS(parse_sts_credentials(xml, "r"), Error);
    }
}

TEST_CASE("a document that is cut anywhere is refused")
{
    const std::string whole = process_json;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_THROWS_AS(parse_process_credentials(whole.substr(0, size), "p"), Error);
    }
}
