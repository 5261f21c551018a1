#include "support/s3_rig.hpp"
#include "support/temp_dir.hpp"
#include "support/test_certificate.hpp"

using namespace backstay::core;

namespace
{

/// A token service that knows one set of keys, and keeps who asked for them.
struct TokenService {
    TokenService()
    {
        const TestCertificate authority = TestCertificate::authority();
        authority.write(dir / "ca.pem", dir / "ca.key");
        TestCertificate({}, &authority).write(dir / "server.pem", dir / "server.key");
        server.emplace(
            [this](const FakeRequest& request, FakeConnection& connection) {
                connection.body();
                authorization = request.header("authorization");
                connection.reply(200, "<R><AssumeRoleResult><Credentials>"
                                      "<AccessKeyId>key</AccessKeyId>"
                                      "<SecretAccessKey>secret</SecretAccessKey>"
                                      "<SessionToken>T</SessionToken>"
                                      "</Credentials></AssumeRoleResult></R>");
            },
            FakeTls{dir / "server.pem", dir / "server.key", {}});
    }

    TempDir dir;
    std::string authorization; ///< of the last request
    std::optional<FakeHttpServer> server;
};

} // namespace

TEST_CASE("the token service is asked in the region that was asked for, by the authority given")
{
    TokenService service;
    write_file(service.dir / "config",
               "[default]\nrole_arn = r\nsource_profile = base\nregion = us-east-2\n"
               "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n");
    S3Options options;
    options.environment =
        FakeEnvironment{{"AWS_CONFIG_FILE", service.dir / "config"},
                        {"AWS_ENDPOINT_URL_STS", service.server->url("/", "localhost")},
                        {"AWS_CA_BUNDLE", service.dir / "nothing.pem"}}
            .get();
    options.region = "cn-north-1";
    options.http.tls.ca_file = service.dir / "ca.pem";
    S3Rig rig({.region = "cn-north-1", .token = "T"}, options);
    rig.server.put("a/b/x", "found");
    CHECK(text_of(get(*rig.store, "x", 5)) == "found");
    CHECK(service.authorization.find("Credential=BASE/") != std::string::npos);
    CHECK(service.authorization.find("/cn-north-1/sts/") != std::string::npos);
}
