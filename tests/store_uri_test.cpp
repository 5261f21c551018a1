#include "store/store_uri.hpp"

#include "store/http_url.hpp"
#include "support/sample_repository.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <filesystem>

using namespace backstay::core;

namespace
{

std::optional<Error> open_error(const std::string& uri, StoreUse use = StoreUse::open_existing)
{
    return error_of([&] { open_store_uri(uri, use); });
}

std::string open_error_name(const std::string& uri)
{
    const auto error = open_error(uri);
    return error ? error_code_name(error->code()) : "";
}

} // namespace

TEST_CASE("a path and a file URL name the same store")
{
    const TempDir folder;
    const std::string path = folder / "a b%20c";
    open_store_uri(path, StoreUse::create)->create("index/a", as_bytes("x"), {});
    const std::string url = "file://" + percent_encode(path, Slash::kept);
    CHECK(url.ends_with("/a%20b%2520c"));
    CHECK(open_store_uri(url, StoreUse::open_existing)->stat("index/a", {}));
    CHECK(open_store_uri(path + "/", StoreUse::open_existing)->describe({}).kind == "local");
}

TEST_CASE("a place that does not exist is made only when asked for")
{
    const TempDir folder;
    CHECK(open_error_name(folder / "none") == "not-found");
    CHECK(open_error_name("file://" + folder / "none") == "not-found");
    CHECK_FALSE(std::filesystem::exists(folder / "none"));
    open_store_uri(folder / "none/deeper", StoreUse::create);
    CHECK(std::filesystem::is_directory(folder / "none/deeper"));
}

TEST_CASE("a path may have :// in it")
{
    const TempDir folder;
    std::filesystem::create_directories(folder / "odd:/name");
    CHECK(open_error_name(folder / "odd://name").empty());
}

TEST_CASE("what is no place is refused with the way to write one")
{
    CHECK(open_error_name("") == "invalid");
    for (const std::string uri : {"ftp://host/folder", "sftp://me@host/folder", "://x"}) {
        CAPTURE(uri);
        CHECK(open_error_name(uri) == "invalid");
    }
    for (const std::string uri : {"file://host/folder", "file://folder", "file://",
                                  "file://localhost/folder", "file:///folder%00/x"}) {
        CAPTURE(uri);
        const auto error = open_error(uri, StoreUse::create);
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::invalid);
        CHECK(std::string(error->what()).find("file:///path") != std::string::npos);
    }
}

TEST_CASE("a place that other programs would take for one elsewhere is not made as a folder here")
{
    for (const std::string uri :
         {"sftp:me@host:/x", "me@host:folder", "host:/x", "rest:http://host:8000/", "rclone:b2:x",
          "s3:s3.amazonaws.com/bucket", "b2:bucket:x", "file:/x"}) {
        CAPTURE(uri);
        const auto error = open_error(uri, StoreUse::create);
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::invalid);
        CHECK(std::string(error->what()).find("./NAME") != std::string::npos);
        CHECK_FALSE(std::filesystem::exists(uri.substr(0, uri.find('/'))));
    }
}

TEST_CASE("a folder with a colon in its name can be meant")
{
    const TempDir folder;
    open_store_uri(folder / "me@host:folder", StoreUse::create);
    CHECK(open_error_name(folder / "me@host:folder").empty());
    CHECK(open_error_name("./not:here") == "not-found");
    CHECK(open_error_name("not/here:either") == "not-found");
}

TEST_CASE("a password in a URL is refused and not repeated")
{
    for (const std::string uri :
         {"s3://me:geheim@host/bucket", "ftp://me:geheim@host", "file://me:geheim@host/folder"}) {
        CAPTURE(uri);
        const auto error = open_error(uri, StoreUse::create);
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::invalid);
        CHECK(std::string(error->what()).find("environment") != std::string::npos);
        CHECK((std::string(error->what()) + error->subject()).find("geheim") == std::string::npos);
    }
}

TEST_CASE("a password in what is taken for a folder's name is not repeated")
{
    for (const std::string uri : {"me:geheim@host:/x", "rest:https://me:geheim@host/"}) {
        CAPTURE(uri);
        const auto error = open_error(uri, StoreUse::create);
        REQUIRE(error);
        CHECK((std::string(error->what()) + error->subject()).find("geheim") == std::string::npos);
    }
}
