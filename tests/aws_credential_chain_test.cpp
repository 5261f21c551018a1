#include "store/aws_credential_chain.hpp"

#include "base/error.hpp"
#include "codec/hash.hpp"
#include "store/aws_signature.hpp"

#include "support/fake_clock.hpp"
#include "support/fake_environment.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace backstay::core;

namespace
{

constexpr const char* instance = "http://169.254.169.254";
constexpr const char* roles = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";

/// What one request looked like: its body does not outlive it.
struct Seen {
    HttpRequest request;
    std::string body;
};

std::string sts_reply(const std::string& key)
{
    return "<R><AssumeRoleResult><Credentials><AccessKeyId>" + key +
           "</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</"
           "SessionToken><Expiration>"
           "2026-11-25T10:00:00Z</Expiration></Credentials></AssumeRoleResult></R>";
}

std::string service_reply(const std::string& key)
{
    return R"({"Code":"Success","AccessKeyId":")" + key +
           R"(","SecretAccessKey":"S","Token":"T","Expiration":"2026-11-25T10:00:00Z"})";
}

/// A machine with its own files, variables and servers: what is not there does not answer.
struct Machine {
    Machine()
    {
        environment.set("AWS_CONFIG_FILE", dir / "config");
        environment.set("AWS_SHARED_CREDENTIALS_FILE", dir / "credentials");
        options.environment = environment.get();
        options.clock = &clock;
        options.fetch = [this](const HttpRequest& request, const std::stop_token&) {
            seen.push_back({request, std::string(as_text(request.body))});
            const auto place = servers.find(request.url);
            if (place == servers.end()) {
                throw Error(ErrorCode::unavailable, "cannot connect", request.url);
            }
            HttpReply reply;
            reply.status = place->second.first;
            reply.body = place->second.second;
            return reply;
        };
    }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    void become_instance(const std::string& key)
    {
        servers[std::string(instance) + "/latest/api/token"] = {200, "imds-token"};
        servers[roles] = {200, "my role\nother"};
        servers[std::string(roles) + "my%20role"] = {200, service_reply(key)};
    }

    AwsCredentials find() { return find_aws_credentials(options, {}); }
    std::string key() { return find().access_key; }

    /// The error's code and text.
    std::pair<ErrorCode, std::string> failure()
    {
        try {
            find();
        } catch (const Error& e) {
            return {e.code(), std::string(e.what()) + " / " + e.subject()};
        }
        return {ErrorCode::internal, "found some"};
    }

    TempDir dir;
    FakeEnvironment environment;
    FakeClock clock;
    std::map<std::string, std::pair<int, std::string>> servers;
    std::vector<Seen> seen;
    AwsCredentialOptions options;
};

std::string field(const HttpRequest& request, std::string_view name)
{
    return std::string(find_header(request.headers, name).value_or("(none)"));
}

} // namespace

TEST_CASE("each place for credentials goes before the next")
{
    Machine machine;
    CHECK(machine.failure().first == ErrorCode::denied);

    machine.become_instance("INSTANCE");
    CHECK(machine.key() == "INSTANCE");
    CHECK(machine.find().origin == "the instance's metadata service");

    machine.environment.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x");
    machine.servers["http://169.254.170.2/v2/x"] = {200, service_reply("CONTAINER")};
    CHECK(machine.key() == "CONTAINER");

    write_file(machine.dir / "token", "jwt");
    machine.environment.set("AWS_WEB_IDENTITY_TOKEN_FILE", machine.dir / "token");
    machine.environment.set("AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
    machine.servers["https://sts.us-east-1.amazonaws.com/"] = {200, sts_reply("WEB")};
    CHECK(machine.key() == "WEB");

    write_file(machine.dir / "config",
               "[default]\naws_access_key_id=CONFIG\naws_secret_access_key=s\n");
    CHECK(machine.key() == "CONFIG");
    write_file(machine.dir / "credentials",
               "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n"
               "[named]\naws_access_key_id=NAMED\naws_secret_access_key=s\n");
    CHECK(machine.key() == "FILE");
    CHECK(machine.find().origin == "the profile 'default'");

    machine.environment.set("AWS_PROFILE", "named");
    CHECK(machine.key() == "NAMED");
    machine.environment.set("AWS_ACCESS_KEY_ID", "ENV");
    machine.environment.set("AWS_SECRET_ACCESS_KEY", "s");
    machine.environment.set("AWS_SESSION_TOKEN", "t");
    CHECK(machine.key() == "ENV");
    CHECK(machine.find().session_token == "t");

    machine.options.profile = "named";
    CHECK(machine.key() == "NAMED");
    machine.options.given = AwsCredentials("GIVEN", "s");
    CHECK(machine.key() == "GIVEN");
    machine.options.anonymous = true;
    CHECK(machine.find().anonymous());
}

TEST_CASE("without credentials the error says where they were looked for")
{
    Machine machine;
    const auto [code, text] = machine.failure();
    CHECK(code == ErrorCode::denied);
    for (const std::string part : {"AWS_ACCESS_KEY_ID", "'default'", "anonymous"}) {
        CHECK(text.find(part) != std::string::npos);
    }
    machine.environment.set("AWS_EC2_METADATA_DISABLED", "true");
    machine.seen.clear();
    CHECK(machine.failure().first == ErrorCode::denied);
    CHECK(machine.seen.empty());
}

TEST_CASE("half a key is an error, not a reason to look elsewhere")
{
    Machine machine;
    machine.become_instance("INSTANCE");
    machine.environment.set("AWS_ACCESS_KEY_ID", "ENV");
    CHECK(machine.failure().first == ErrorCode::invalid);
    machine.environment.unset("AWS_ACCESS_KEY_ID");
    write_file(machine.dir / "credentials", "[default]\naws_secret_access_key=hush\n");
    const auto [code, text] = machine.failure();
    CHECK(code == ErrorCode::invalid);
    CHECK(text.find("hush") == std::string::npos);
}

TEST_CASE("a key with a blank or line break around it is an error that names its place")
{
    Machine machine;
    const std::map<std::string, std::string> good{{"AWS_ACCESS_KEY_ID", "PLAIN"},
                                                  {"AWS_SECRET_ACCESS_KEY", "hush"},
                                                  {"AWS_SESSION_TOKEN", "token"}};
    for (const auto& [name, value] : good) {
        for (const std::string& bad :
             {value + "\n", value + "\r", value + ' ', '\t' + value, value + "\x01" + value}) {
            CAPTURE(name);
            for (const auto& [other, its_value] : good) {
                machine.environment.set(other, its_value);
            }
            CHECK(machine.key() == "PLAIN");
            machine.environment.set(name, bad);
            const auto [code, text] = machine.failure();
            CHECK(code == ErrorCode::invalid);
            CHECK(text.starts_with(name + ' '));
            CHECK(text.find(value) == std::string::npos);
        }
    }
    machine.environment.set("AWS_SESSION_TOKEN", "token");
    machine.environment.set("AWS_SECRET_ACCESS_KEY", "hush\r\n");
    CHECK(machine.failure().second.starts_with(
        "AWS_SECRET_ACCESS_KEY ends with a blank or line break: remove it"));

    write_file(machine.dir / "credentials",
               "[p]\naws_access_key_id = PLAIN\naws_secret_access_key = hush\x0b\n");
    machine.options.profile = "p";
    CHECK(machine.failure().second.starts_with(
        "aws_secret_access_key of the profile 'p' ends with a blank or line break: remove it"));

    machine.options.given = AwsCredentials("PLAIN", "hush\n");
    CHECK(machine.failure().second.starts_with("the secret key given ends with"));
}

TEST_CASE("a profile that was named and is not there is an error")
{
    Machine machine;
    machine.become_instance("INSTANCE");
    machine.options.profile = "lost";
    CHECK(machine.failure().first == ErrorCode::invalid);
    machine.options.profile.clear();
    machine.environment.set("AWS_PROFILE", "lost");
    CHECK(machine.failure().second.find("lost") != std::string::npos);
}

TEST_CASE("a role is assumed with the source profile's signature")
{
    Machine machine;
    write_file(
        machine.dir / "config",
        "[default]\nrole_arn=arn:aws-cn:iam::1:role/a b\nsource_profile=base\nexternal_id=e&x\n"
        "duration_seconds=3600\nrole_session_name=me\nregion=cn-north-1\n"
        "[profile base]\naws_access_key_id=BASE\naws_secret_access_key=s\naws_session_token=t\n");
    machine.servers["https://sts.cn-north-1.amazonaws.com.cn/"] = {200, sts_reply("ROLE")};
    const AwsCredentials found = machine.find();
    CHECK(found.access_key == "ROLE");
    CHECK(found.expiration == parse_time("2026-11-25T10:00:00Z"));
    REQUIRE(machine.seen.size() == 1);
    const HttpRequest& request = machine.seen[0].request;
    CHECK(request.method == "POST");
    CHECK(machine.seen[0].body ==
          "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws-cn%3Aiam%3A%3A1%3Arole%2Fa%20b"
          "&RoleSessionName=me&DurationSeconds=3600&ExternalId=e%26x");
    AwsCredentials base("BASE", "s", "t");
    const SignedHeaders expected =
        sign_headers({"POST",
                      request.url,
                      {{"Content-Type", field(request, "content-type")}},
                      to_hex(sha256(as_bytes(machine.seen[0].body)))},
                     base, {"cn-north-1", "sts", machine.clock.now()}, general_signing_rules);
    CHECK(field(request, "authorization") == expected.add.back().second);
    CHECK(field(request, "x-amz-security-token") == "t");
}

TEST_CASE("roles may be assumed one by another")
{
    Machine machine;
    machine.options.sts_endpoint = "http://127.0.0.1:1";
    machine.servers["http://127.0.0.1:1/"] = {200, sts_reply("ROLE")};
    write_file(machine.dir / "config", "[default]\nrole_arn=a\nsource_profile=b\n"
                                       "[profile b]\nrole_arn=b\nsource_profile=c\n"
                                       "[profile c]\nrole_arn=c\nsource_profile=c\n"
                                       "aws_access_key_id=C\naws_secret_access_key=s\n");
    CHECK(machine.key() == "ROLE");
    REQUIRE(machine.seen.size() == 3);
    CHECK(machine.seen[0].body.find("RoleArn=c&") != std::string::npos);
    CHECK(field(machine.seen[0].request, "authorization").find("Credential=C/") !=
          std::string::npos);
    CHECK(machine.seen[2].body.find("RoleArn=a&") != std::string::npos);
    CHECK(field(machine.seen[2].request, "authorization").find("Credential=ROLE/") !=
          std::string::npos);
}

TEST_CASE("a profile that cannot be followed is an error that names it")
{
    Machine machine;
    const auto code = [&](const std::string& config) {
        write_file(machine.dir / "config", config);
        return machine.failure().first;
    };
    CHECK(code("[default]\nrole_arn=a\nsource_profile=b\n[profile "
               "b]\nrole_arn=b\nsource_profile=default\n") == ErrorCode::invalid);
    CHECK(code("[default]\nrole_arn=a\nsource_profile=default\n") == ErrorCode::invalid);
    CHECK(code("[default]\nrole_arn=a\nsource_profile=lost\n") == ErrorCode::invalid);
    CHECK(code("[default]\nrole_arn=a\n") == ErrorCode::invalid);
    CHECK(code("[default]\nrole_arn=a\nsource_profile=b\ncredential_source=Environment\n[profile "
               "b]\n") == ErrorCode::invalid);
    CHECK(code("[default]\nrole_arn=a\ncredential_source=Elsewhere\n") == ErrorCode::invalid);
    CHECK(code("[default]\nrole_arn=a\ncredential_source=Environment\n") == ErrorCode::denied);
    CHECK(code("[default]\nrole_arn=a\nsource_profile=b\n[profile b]\nregion=x\n") ==
          ErrorCode::denied);
    CHECK(code("[default]\nrole_arn=a\nsource_profile=b\nmfa_serial=m\n") ==
          ErrorCode::unsupported);
    CHECK(code("[default]\nsso_start_url=https://x\n") == ErrorCode::unsupported);
    CHECK(code("[default]\nrole_arn=a\nsource_profile=b\nduration_seconds=10\n[profile b]\n"
               "aws_access_key_id=B\naws_secret_access_key=s\n") == ErrorCode::invalid);

    std::string chain = "[default]\nrole_arn=x\nsource_profile=p0\n";
    for (int i = 0; i < 100; ++i) {
        chain += "[profile p" + std::to_string(i) + "]\nrole_arn=x\nsource_profile=p" +
                 std::to_string(i + 1) + "\n";
    }
    CHECK(code(chain) == ErrorCode::invalid);
}

TEST_CASE("a role's source may be environment, container or instance")
{
    Machine machine;
    machine.options.sts_endpoint = "http://sts.example";
    machine.servers["http://sts.example/"] = {200, sts_reply("ROLE")};
    machine.become_instance("INSTANCE");
    write_file(machine.dir / "config",
               "[profile a]\nrole_arn=a\ncredential_source=Ec2InstanceMetadata\n"
               "[profile b]\nrole_arn=b\ncredential_source=Environment\n");
    machine.options.profile = "a";
    CHECK(machine.key() == "ROLE");
    CHECK(field(machine.seen.back().request, "authorization").find("INSTANCE/") !=
          std::string::npos);
    machine.environment.set("AWS_ACCESS_KEY_ID", "ENV");
    machine.environment.set("AWS_SECRET_ACCESS_KEY", "s");
    machine.options.profile = "b";
    CHECK(machine.key() == "ROLE");
    CHECK(field(machine.seen.back().request, "authorization").find("ENV/") != std::string::npos);
}

TEST_CASE("a refused role says what the service said, and may be tried later when that helps")
{
    Machine machine;
    write_file(machine.dir / "config",
               "[default]\nrole_arn=arn:r\nsource_profile=b\n"
               "[profile b]\naws_access_key_id=B\naws_secret_access_key=s\n");
    auto& reply = machine.servers["https://sts.us-east-1.amazonaws.com/"];
    reply = {403,
             "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error>"
             "</ErrorResponse>"};
    const auto [code, text] = machine.failure();
    CHECK(code == ErrorCode::denied);
    CHECK(text.find("arn:r") != std::string::npos);
    CHECK(text.find("AccessDenied not you") != std::string::npos);
    reply = {503, ""};
    CHECK(machine.failure().first == ErrorCode::unavailable);
    reply = {200, "<html/>"};
    CHECK(machine.failure().first == ErrorCode::invalid);
}

TEST_CASE("a web identity's token goes unsigned, as it is at that moment")
{
    Machine machine;
    write_file(machine.dir / "token", "first");
    write_file(machine.dir / "config", "[default]\nrole_arn=arn:r\nweb_identity_token_file=" +
                                           (machine.dir / "token") + "\nregion=eu-west-1\n");
    machine.servers["https://sts.eu-west-1.amazonaws.com/"] = {200, sts_reply("WEB")};
    CHECK(machine.key() == "WEB");
    write_file(machine.dir / "token", "second");
    CHECK(machine.key() == "WEB");
    CHECK(machine.seen[0].body.find("WebIdentityToken=first") != std::string::npos);
    CHECK(machine.seen[1].body.find("WebIdentityToken=second") != std::string::npos);
    CHECK(field(machine.seen[1].request, "authorization") == "(none)");
}

TEST_CASE("a credential_process is run without a shell")
{
    Machine machine;
    write_file(
        machine.dir / "out",
        R"({"Version":1,"AccessKeyId":"PROC","SecretAccessKey":"$(id);x","Expiration":"2026-11-25T10:00:00Z"})");
    write_file(machine.dir / "config",
               "[default]\ncredential_process = cat \"" + (machine.dir / "out") + "\"\n");
    const AwsCredentials found = machine.find();
    CHECK(found.access_key == "PROC");
    CHECK(found.secret_key == "$(id);x");
    write_file(machine.dir / "config",
               "[default]\ncredential_process = cat /nothing ; echo hush\n");
    CHECK(machine.failure().first == ErrorCode::denied);
    write_file(machine.dir / "config", "[default]\ncredential_process = no-such-program-at-all\n");
    CHECK(machine.failure().first == ErrorCode::denied);
}

TEST_CASE("a credential_process is not waited for for ever")
{
    Machine machine;
    write_file(machine.dir / "config", "[profile slow]\ncredential_process = sleep 30\n");
    machine.options.profile = "slow";
    machine.options.process_patience = std::chrono::milliseconds(100);
    const auto [code, text] = machine.failure();
    CHECK(code == ErrorCode::denied);
    CHECK(text.find("credential_process of the profile 'slow'") != std::string::npos);
    CHECK(text.find("'sleep' has not ended after 0.1 seconds: run it by hand") !=
          std::string::npos);
}

TEST_CASE("a container's service is asked with the token of that moment, and only in a safe place")
{
    Machine machine;
    machine.environment.set("AWS_CONTAINER_CREDENTIALS_FULL_URI",
                            "http://169.254.170.23/v1/credentials");
    machine.servers["http://169.254.170.23/v1/credentials"] = {200, service_reply("POD")};
    machine.environment.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "variable");
    CHECK(machine.key() == "POD");
    CHECK(field(machine.seen.back().request, "authorization") == "variable");
    CHECK(machine.seen.back().request.bypass_proxy);
    write_file(machine.dir / "token", "file\n");
    machine.environment.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", machine.dir / "token");
    CHECK(machine.key() == "POD");
    CHECK(field(machine.seen.back().request, "authorization") == "file");
    write_file(machine.dir / "token", "a\r\nX-Other: b");
    CHECK(machine.failure().first == ErrorCode::invalid);
    write_file(machine.dir / "token", "file");

    machine.servers["http://169.254.170.23/v1/credentials"] = {500, ""};
    CHECK(machine.failure().first == ErrorCode::unavailable);
    machine.servers["http://169.254.170.23/v1/credentials"] = {403, ""};
    CHECK(machine.failure().first == ErrorCode::denied);

    machine.seen.clear();
    for (const std::string url :
         {"http://evil.example/", "http://169.254.170.2.evil.example/",
          "http://127.0.0.1.evil.example/", "ftp://127.0.0.1/", "http://10.0.0.1/"}) {
        CAPTURE(url);
        machine.environment.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
        CHECK(machine.failure().first == ErrorCode::invalid);
    }
    machine.environment.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/");
    CHECK(machine.failure().first == ErrorCode::invalid);
    CHECK(machine.seen.empty());
    machine.environment.unset("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    for (const std::string url :
         {"https://any.example/", "http://localhost:5/", "http://127.9.9.9/", "http://[::1]:80/",
          "http://[fd00:ec2::23]/v1/credentials"}) {
        CAPTURE(url);
        machine.environment.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
        CHECK(machine.failure().first == ErrorCode::unavailable); // asked, and not there
    }
}

TEST_CASE("an instance is asked by version 2 only, quickly and past proxies")
{
    Machine machine;
    machine.become_instance("INSTANCE");
    CHECK(machine.key() == "INSTANCE");
    REQUIRE(machine.seen.size() == 3);
    CHECK(machine.seen[0].request.method == "PUT");
    CHECK(field(machine.seen[0].request, "x-aws-ec2-metadata-token-ttl-seconds") == "21600");
    for (const Seen& seen : machine.seen) {
        CHECK(seen.request.bypass_proxy);
        CHECK(seen.request.connect_timeout <= std::chrono::milliseconds(1000));
    }
    CHECK(field(machine.seen[2].request, "x-aws-ec2-metadata-token") == "imds-token");

    machine.servers[roles] = {404, ""};
    CHECK(machine.failure().first == ErrorCode::denied);
    machine.servers[roles] = {500, ""};
    CHECK(machine.failure().first == ErrorCode::unavailable);
    machine.servers[std::string(instance) + "/latest/api/token"] = {403, ""};
    machine.seen.clear();
    CHECK(machine.failure().first == ErrorCode::denied);
    CHECK(machine.seen.size() == 1); // no way back to version 1

    machine.environment.set("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");
    machine.servers["http://[fd00:ec2::254]/latest/api/token"] = {403, ""};
    CHECK(machine.failure().first == ErrorCode::denied);
    CHECK(machine.seen.back().request.url == "http://[fd00:ec2::254]/latest/api/token");
}
