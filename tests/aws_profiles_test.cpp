#include "store/aws_profiles.hpp"

#include "base/error.hpp"

#include "support/fake_environment.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <filesystem>

using namespace backstay::core;

TEST_CASE("profiles are read as AWS's own programs read them")
{
    AwsProfiles profiles;
    profiles.add_config("\xef\xbb\xbf# first\r\n"
                        "[default]\r\n"
                        "region = eu-west-1   ; here\r\n"
                        "AWS_Access_Key_ID=AK#ID\n"
                        "\n"
                        "[profile two words]\n"
                        "region=us-east-2\n"
                        "s3 =\n"
                        "    addressing_style = path\n"
                        "\tendpoint_url=http://h:1\n"
                        "output = json\n"
                        "    stray = 1\n"
                        "[ profile \"quoted name\" ]\n"
                        "region = q\n"
                        "[sso-session mine]\n"
                        "region = lost\n"
                        "[other]\n"
                        "region = lost\n"
                        "[broken\n"
                        "region = lost\n"
                        "[default]\n"
                        "output = text\n"
                        "no setting\n");
    CHECK(profiles.setting("default", "region") == "eu-west-1");
    CHECK(profiles.setting("default", "aws_access_key_id") == "AK#ID");
    CHECK(profiles.setting("default", "output") == "text");
    CHECK(profiles.setting("two words", "s3.addressing_style") == "path");
    CHECK(profiles.setting("two words", "s3.endpoint_url") == "http://h:1");
    CHECK(profiles.setting("two words", "output") == "json");
    CHECK_FALSE(profiles.setting("two words", "s3").has_value());
    CHECK_FALSE(profiles.setting("two words", "output.stray").has_value());
    CHECK(profiles.setting("quoted name", "region") == "q");
    CHECK(profiles.find("other") == nullptr);
    CHECK(profiles.find("mine") == nullptr);
}

TEST_CASE("a section's settings may be indented, and a colon may stand for '='")
{
    AwsProfiles profiles;
    profiles.add_config("[default]\n"
                        "  role_arn = arn:aws:iam::1:role/r\n"
                        "\n"
                        "  # why\n"
                        "  endpoint_url: http://h:1/?a=b\n"
                        "  s3 =\n"
                        "    addressing_style = path\n"
                        "      endpoint_url: http://s3:2\n"
                        "  output = json\n"
                        "    stray = 1\n"
                        "region:eu-west-1\n"
                        "[profile tabs]\n"
                        "\tregion = t\n"
                        "empty =\n"
                        "output = text\n");
    CHECK(profiles.setting("default", "role_arn") == "arn:aws:iam::1:role/r");
    CHECK(profiles.setting("default", "endpoint_url") == "http://h:1/?a=b");
    CHECK(profiles.setting("default", "s3.addressing_style") == "path");
    CHECK(profiles.setting("default", "s3.endpoint_url") == "http://s3:2");
    CHECK(profiles.setting("default", "output") == "json");
    CHECK_FALSE(profiles.setting("default", "stray").has_value());
    CHECK(profiles.setting("default", "region") == "eu-west-1");
    CHECK(profiles.setting("tabs", "region") == "t");
    CHECK(profiles.setting("tabs", "output") == "text");
    profiles.add_credentials("[c]\n  aws_access_key_id: K\n  aws_secret_access_key: S=\n");
    CHECK(profiles.setting("c", "aws_access_key_id") == "K");
    CHECK(profiles.setting("c", "aws_secret_access_key") == "S=");
}

TEST_CASE("the credentials file names profiles bare, and wins")
{
    AwsProfiles profiles;
    profiles.add_config("[profile a]\naws_access_key_id = old\nregion = r\n");
    profiles.add_credentials("[a]\naws_access_key_id = new\n[profile]\nx = 1\n");
    CHECK(profiles.setting("a", "aws_access_key_id") == "new");
    CHECK(profiles.setting("a", "region") == "r");
    CHECK(profiles.setting("profile", "x") == "1");
}

TEST_CASE("text of any kind is read without harm")
{
    for (const std::string& text :
         {std::string(), std::string("="), std::string("[]\n=\n = \n[\n]"),
          std::string("[a]\n=b\n\n  c=d"), std::string(" x = 1"), std::string("[profile ]\nx=1"),
          std::string("[\"]\nx=1"), std::string(3, '\0'), std::string("[a]\r\n \r\n;")}) {
        AwsProfiles profiles;
        profiles.add_config(text);
        profiles.add_credentials(text);
        CHECK(profiles.find("nobody") == nullptr);
    }
}

TEST_CASE("files are found by variable, else below the home folder, and may be missing")
{
    const TempDir dir;
    FakeEnvironment environment;
    CHECK(AwsProfiles::load(environment.get()).find("default") == nullptr);

    environment.set("HOME", dir.path());
    CHECK(AwsProfiles::load(environment.get()).find("default") == nullptr);
    std::filesystem::create_directory(dir / ".aws");
    write_file(dir / ".aws/config", "[default]\nregion = home\n");
    write_file(dir / ".aws/credentials", "[home]\nx = 1\n");
    CHECK(AwsProfiles::load(environment.get()).setting("default", "region") == "home");
    CHECK(AwsProfiles::load(environment.get()).find("home") != nullptr);

    write_file(dir / "mine", "[default]\nregion = mine\n");
    environment.set("AWS_CONFIG_FILE", "~/mine");
    environment.set("AWS_SHARED_CREDENTIALS_FILE", dir / "nothing");
    CHECK(AwsProfiles::load(environment.get()).setting("default", "region") == "mine");
    CHECK(AwsProfiles::load(environment.get()).find("home") == nullptr);

    write_file(dir / "mine", std::string(2 << 20, 'x'));
    CHECK_THROWS_AS(AwsProfiles::load(environment.get()), Error);
}

TEST_CASE("settings come from the environment before the profile")
{
    const TempDir dir;
    write_file(dir / "config",
               "[default]\nregion = a\nendpoint_url = http://any\nuse_fips_endpoint = true\n"
               "[profile b]\nregion = b\ns3 =\n  endpoint_url = http://s3\n  addressing_style = "
               "virtual\nca_bundle = /ca\nuse_dualstack_endpoint = TRUE\n");
    FakeEnvironment environment{{"AWS_CONFIG_FILE", dir / "config"}};
    AwsSettings settings = read_aws_settings("", environment.get());
    CHECK(settings.region == "a");
    CHECK(settings.s3_endpoint == "http://any");
    CHECK(settings.sts_endpoint == "http://any");
    CHECK(settings.fips);
    CHECK_FALSE(settings.dualstack);

    environment.set("AWS_PROFILE", "b");
    settings = read_aws_settings("", environment.get());
    CHECK(settings.region == "b");
    CHECK(settings.s3_endpoint == "http://s3");
    CHECK(settings.sts_endpoint.empty());
    CHECK(settings.addressing_style == "virtual");
    CHECK(settings.ca_bundle == "/ca");
    CHECK(settings.dualstack);
    CHECK(read_aws_settings("default", environment.get()).region == "a");

    environment.set("AWS_DEFAULT_REGION", "c");
    CHECK(read_aws_settings("", environment.get()).region == "c");
    environment.set("AWS_REGION", "d");
    environment.set("AWS_ENDPOINT_URL_S3", "http://env");
    CHECK(read_aws_settings("", environment.get()).region == "d");
    CHECK(read_aws_settings("", environment.get()).s3_endpoint == "http://env");
}

TEST_CASE("a profile's services say where S3 and the token service are")
{
    const TempDir dir;
    write_file(dir / "config", "[default]\nservices = my\nendpoint_url = http://any\n"
                               "[services my]\ns3 =\n  endpoint_url = http://s3\n"
                               "[services \"the other\"]\nsts =\n  endpoint_url = http://sts\n"
                               "[profile other]\nservices = the other\n"
                               "s3 =\n  endpoint_url = http://plugin\n"
                               "[profile lost]\nservices = nowhere\n");
    FakeEnvironment environment{{"AWS_CONFIG_FILE", dir / "config"}};
    AwsSettings settings = read_aws_settings("", environment.get());
    CHECK(settings.s3_endpoint == "http://s3");
    CHECK(settings.sts_endpoint == "http://any");
    settings = read_aws_settings("other", environment.get());
    CHECK(settings.s3_endpoint == "http://plugin");
    CHECK(settings.sts_endpoint == "http://sts");
    CHECK_THROWS_WITH_AS(read_aws_settings("lost", environment.get()),
                         doctest::Contains("[services nowhere]"), Error);

    environment.set("AWS_ENDPOINT_URL", "http://all");
    CHECK(read_aws_settings("", environment.get()).s3_endpoint == "http://all");
    CHECK(read_aws_settings("other", environment.get()).s3_endpoint == "http://all");
    CHECK(read_aws_settings("lost", environment.get()).s3_endpoint == "http://all");
    environment.set("AWS_ENDPOINT_URL_S3", "http://env");
    CHECK(read_aws_settings("", environment.get()).s3_endpoint == "http://env");
    CHECK(read_aws_settings("", environment.get()).sts_endpoint == "http://all");
}

TEST_CASE("configured endpoints are ignored where that is wished")
{
    const TempDir dir;
    write_file(
        dir / "config",
        "[default]\nservices = nowhere\nendpoint_url = http://any\nregion = r\n"
        "[profile quiet]\nignore_configured_endpoint_urls = true\nendpoint_url = http://a\n");
    FakeEnvironment environment{{"AWS_CONFIG_FILE", dir / "config"}};
    environment.set("AWS_ENDPOINT_URL_S3", "http://env");
    CHECK(read_aws_settings("quiet", environment.get()).s3_endpoint.empty());
    environment.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True");
    const AwsSettings settings = read_aws_settings("", environment.get());
    CHECK(settings.s3_endpoint.empty());
    CHECK(settings.sts_endpoint.empty());
    CHECK(settings.region == "r");
    environment.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false");
    CHECK(read_aws_settings("quiet", environment.get()).s3_endpoint == "http://env");
}
