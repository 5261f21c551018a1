#include "store/s3_store.hpp"
#include "support/fake_environment.hpp"
#include "support/fake_s3.hpp"
#include "support/sample_repository.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

/// A fake server with one object, "pack", in an archive class.
struct Rig {
    explicit Rig(const std::string& storage_class, int looks = 1)
        : store(server.uri(), [] {
              S3Options options;
              options.credentials = AwsCredentials("key", "secret");
              options.environment = FakeEnvironment().get();
              return options;
          }())
    {
        server.put("a/b/pack", "bytes");
        server.archive.put("a/b/pack", storage_class, looks);
    }

    std::string read_failure()
    {
        return error_name_of([&] { get_object(store, "pack", 10, {}); });
    }

    FakeS3 server;
    S3Store store;
};

ThawWish wish(ThawWish::Tier tier, std::uint32_t days)
{
    return {tier, days};
}

} // namespace

TEST_CASE("what lies in no archive is ready, and nothing is asked of the archive")
{
    for (const std::string storage_class : {"STANDARD_IA", "GLACIER_IR"}) {
        CAPTURE(storage_class);
        Rig rig("GLACIER");
        rig.server.put("a/b/hot", "bytes");
        rig.server.fault = [&](const FakeRequest& request, FakeConnection& connection) {
            if (request.method == "HEAD") {
                connection.send(
                    FakeConnection::head(200, 5, {{"x-amz-storage-class", storage_class}}));
                return true;
            }
            return false;
        };
        CHECK(rig.store.describe({}).archives_objects);
        CHECK(rig.store.readiness("hot", {}) == Readiness::ready);
        CHECK(rig.store.thaw("hot", {}, {}) == Readiness::ready);
        CHECK(rig.server.requests() == 2);
    }
}

TEST_CASE("an archived object is asked for once, and is ready when the archive has given it out")
{
    for (const std::string storage_class : {"GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING"}) {
        CAPTURE(storage_class);
        Rig rig(storage_class, 2);
        CHECK(rig.store.readiness("pack", {}) == Readiness::archived);
        CHECK(rig.read_failure() == "denied");
        CHECK(rig.server.archive.granted().empty()); // looking asks for nothing
        CHECK(rig.store.thaw("pack", wish(ThawWish::Tier::bulk, 3), {}) == Readiness::thawing);
        CHECK(rig.store.thaw("pack", wish(ThawWish::Tier::bulk, 3), {}) == Readiness::thawing);
        CHECK(rig.store.readiness("pack", {}) == Readiness::thawing);
        CHECK(rig.store.readiness("pack", {}) == Readiness::ready);
        CHECK(rig.store.thaw("pack", {}, {}) == Readiness::ready);
        CHECK(rig.read_failure().empty());
        const auto granted = rig.server.archive.granted();
        REQUIRE(granted.size() == 1);
        CHECK(granted[0].first == "a/b/pack");
        CHECK(granted[0].second.find("<Tier>Bulk</Tier>") != std::string::npos);
        // Intelligent-Tiering keeps what it gave out and refuses a number of days.
        CHECK((granted[0].second.find("<Days>3</Days>") == std::string::npos) ==
              (storage_class == "INTELLIGENT_TIERING"));
    }
}

TEST_CASE("a copy that has ended is asked for anew, whatever the server still tells of it")
{
    for (const bool still_told : {false, true}) {
        CAPTURE(still_told);
        Rig rig("GLACIER", 0);
        rig.store.thaw("pack", {}, {});
        REQUIRE(rig.store.readiness("pack", {}) == Readiness::ready);
        rig.server.archive.expire("a/b/pack", still_told);
        CHECK(rig.store.readiness("pack", {}) == Readiness::archived);
        CHECK(rig.store.thaw("pack", {}, {}) == Readiness::thawing);
        CHECK(rig.server.archive.granted().size() == 2);
    }
}

TEST_CASE("it is no failure if somebody else was faster")
{
    Rig rig("GLACIER");
    rig.server.archive.refuse_with("RestoreAlreadyInProgress");
    CHECK(rig.store.thaw("pack", {}, {}) == Readiness::thawing);
    rig.server.archive.refuse_with("ObjectAlreadyInActiveTierError");
    CHECK(rig.store.thaw("pack", {}, {}) == Readiness::ready);
}

TEST_CASE("a tier that an archive does not have is refused at once and for good")
{
    Rig rig("DEEP_ARCHIVE");
    const auto error =
        error_of([&] { rig.store.thaw("pack", wish(ThawWish::Tier::expedited, 1), {}); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::unsupported);
    CHECK(std::string_view(error->what()).find("take another tier") != std::string_view::npos);
    CHECK(std::string_view(error->what()).find("GlacierExpedited") != std::string_view::npos);
    CHECK(rig.store.thaw("pack", wish(ThawWish::Tier::standard, 1), {}) == Readiness::thawing);
}

TEST_CASE("what is said of a copy in words that nobody knows is no copy")
{
    for (const std::string words :
         {"", "yes", "ongoing-request=", "ongoing-request=\"", "ongoing-request=\"maybe\"",
          "expiry-date=\"Fri, 01 Jan 2099 00:00:00 GMT\""}) {
        CAPTURE(words);
        Rig rig("GLACIER");
        rig.server.fault = [&](const FakeRequest& request, FakeConnection& connection) {
            if (request.method == "HEAD") {
                connection.send(FakeConnection::head(
                    200, 5, {{"x-amz-storage-class", "GLACIER"}, {"x-amz-restore", words}}));
                return true;
            }
            return false;
        };
        CHECK(rig.store.readiness("pack", {}) == Readiness::archived);
    }
}

TEST_CASE("what is not there is neither ready nor asked for")
{
    Rig rig("GLACIER");
    CHECK(error_name_of([&] { rig.store.readiness("none", {}); }) == "not-found");
    CHECK(error_name_of([&] { rig.store.thaw("none", {}, {}); }) == "not-found");
}

TEST_CASE("a store without an archive is always ready")
{
    MemoryStore store;
    store.create("pack", as_bytes("bytes"), {});
    CHECK_FALSE(store.describe({}).archives_objects);
    CHECK(store.readiness("pack", {}) == Readiness::ready);
    CHECK(store.thaw("pack", {}, {}) == Readiness::ready);
}
