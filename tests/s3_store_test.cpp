#include "support/s3_rig.hpp"
#include "support/store_conformance.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <memory>
#include <vector>

using namespace backstay::core;

TEST_CASE("a bucket of a strict server is an object store")
{
    for (const bool knows_v2 : {true, false}) {
        std::unique_ptr<FakeS3> server;
        StoreConformance suite{[&]() -> std::shared_ptr<ObjectStore> {
            server = std::make_unique<FakeS3>(FakeS3Manners{.knows_v2 = knows_v2, .page = 100});
            return std::make_shared<S3Store>(server->uri(), options_for_fake());
        }};
        suite.many_objects = 250;
        suite.races = 3;
        suite.run();
        REQUIRE(server);
        CHECK(server->problems().empty());
    }
}

TEST_CASE("several prefixes are listed by one request where a page tells all of them")
{
    FakeS3Manners manners;
    manners.page = 6;
    S3Rig rig(manners);
    for (const char* key : {"config/1", "gc/1", "gc/2", "index/a", "keyring/1"}) {
        rig.server.put("a/b/" + std::string(key), "x");
    }
    const std::vector<std::string> prefixes{"config/", "gc/", "keyring/", "notes/"};
    std::vector<std::string> keys;
    const auto list = [&](ObjectStore& store) {
        keys.clear();
        const int before = rig.server.requests();
        store.list_all(prefixes, Freshness::fresh,
                       [&keys](const ObjectInfo& object) { keys.push_back(object.key); }, {});
        return rig.server.requests() - before;
    };
    const std::vector<std::string> wanted{"config/1", "gc/1", "gc/2", "keyring/1"};
    SUBCASE("which it does while there is little")
    {
        CHECK(list(*rig.store) == 1);
        CHECK(keys == wanted);
        CHECK(list(rig.retrying) == 1);
        CHECK(keys == wanted);
    }
    SUBCASE("or only some of them, and the rest by themselves")
    {
        for (const char* key : {"index/b", "index/c", "index/d"}) {
            rig.server.put("a/b/" + std::string(key), "x");
        }
        CHECK(list(*rig.store) == 1 + 2);
        CHECK(keys == wanted);
    }
    SUBCASE("or not even the first, where others share the bucket")
    {
        for (int i = 0; i < 8; ++i) {
            rig.server.put("a/b/anybody/" + std::to_string(i), "x");
        }
        CHECK(list(*rig.store) == 1 + 4);
        CHECK(keys == wanted);
    }
    SUBCASE("or where its end lies within what is wanted")
    {
        for (const char* key : {"gc/3", "gc/4", "gc/5", "gc/6"}) {
            rig.server.put("a/b/" + std::string(key), "x");
        }
        CHECK(list(*rig.store) == 1 + 3);
        CHECK(keys.size() == wanted.size() + 4);
    }
    SUBCASE("or where nobody may list it all")
    {
        rig.server.fault = [](const FakeRequest& request, FakeConnection& c) {
            const bool all = request.target.ends_with("prefix=a%2Fb%2F");
            if (all) {
                FakeS3::refuse(c, 403, "AccessDenied");
            }
            return all;
        };
        CHECK(list(*rig.store) == 1 + 4);
        CHECK(keys == wanted);
    }
    SUBCASE("by a server that knows no better than the old protocol, too")
    {
        rig.server.manners.knows_v2 = false;
        for (const char* key : {"index/b", "index/c", "index/d"}) {
            rig.server.put("a/b/" + std::string(key), "x");
        }
        CHECK(list(*rig.store) == 2 + 2); // which is found out once
        CHECK(keys == wanted);
        CHECK(list(*rig.store) == 1 + 2);
        CHECK(keys == wanted);
    }
}

TEST_CASE(
    "the probe knows conditions that are honoured, passed over, unknown, or kept in peace alone")
{
    FakeS3Manners manners;
    bool honoured = false;
    SUBCASE("honoured")
    {
        honoured = true;
    }
    SUBCASE("passed over")
    {
        manners.honours_conditions = false;
    }
    SUBCASE("unknown")
    {
        manners.knows_conditions = false;
    }
    SUBCASE("in peace alone")
    {
        manners.honours_only_in_peace = true;
    }
    S3Rig rig(manners);
    CHECK_FALSE(rig.store->describe({}).exclusive_create);
    rig.store->probe({});
    const StoreDescription description = rig.store->describe({});
    CHECK(description.exclusive_create == honoured);
    CHECK(description.note.empty() == honoured);
    CHECK(rig.server.objects().empty());
    // What is there is not replaced even so, as long as nobody races.
    rig.store->create("x", as_bytes("first"), {});
    CHECK(error_name_of([&] { rig.store->create("x", as_bytes("second"), {}); }) == "exists");
    CHECK(rig.server.objects().at("a/b/x") == "first");
}

TEST_CASE("a server without conditions is found out by the first create, too")
{
    FakeS3Manners manners;
    manners.knows_conditions = false;
    S3Rig rig(manners);
    rig.store->create("x", as_bytes("first"), {});
    CHECK(error_name_of([&] { rig.store->create("x", as_bytes("second"), {}); }) == "exists");
    CHECK(text_of(get(*rig.store, "x", 10)) == "first");
}

TEST_CASE("a probe by one who may not delete still tells what it saw")
{
    S3Rig rig;
    rig.fail("DELETE", 100,
             [](const FakeRequest&, FakeConnection& c) { FakeS3::refuse(c, 403, "AccessDenied"); });
    rig.store->probe({});
    CHECK(rig.store->describe({}).exclusive_create);
    CHECK(keys_of(*rig.store, "").empty()); // what stays is no object
}

TEST_CASE("what the user pays, owns and encrypts goes with every request that asks for it")
{
    S3Options options = options_for_fake();
    options.requester_pays = true;
    options.bucket_owner = "123456789012";
    options.storage_class = "STANDARD_IA";
    options.encryption = "aws:kms";
    options.kms_key = "some-key";
    S3Rig rig({}, options);
    std::vector<FakeRequest> seen;
    rig.server.fault = [&](const FakeRequest& request, FakeConnection&) {
        seen.push_back(request);
        return false;
    };
    rig.store->create("small", seeded_bytes(1, 10), {});
    rig.store->create("large", seeded_bytes(1, MiB), {});
    rig.store->create_cold("large-cold", seeded_bytes(1, MiB), {});
    rig.store->create_cold("small-cold", seeded_bytes(1, 10), {});
    get(*rig.store, "small", 10);
    REQUIRE(seen.size() == 5);
    for (const FakeRequest& request : seen) {
        CHECK(request.header("x-amz-request-payer") == "requester");
        CHECK(request.header("x-amz-expected-bucket-owner") == "123456789012");
        const bool put = request.method == "PUT";
        CHECK(request.header("x-amz-server-side-encryption") == (put ? "aws:kms" : ""));
        CHECK(request.header("x-amz-server-side-encryption-aws-kms-key-id") ==
              (put ? "some-key" : ""));
    }
    CHECK(seen[0].header("x-amz-storage-class").empty());
    CHECK(seen[1].header("x-amz-storage-class").empty());
    CHECK(seen[2].header("x-amz-storage-class") == "STANDARD_IA");
    CHECK(seen[3].header("x-amz-storage-class").empty());
}

TEST_CASE("a pinned key of a server without TLS is refused as a mistake")
{
    S3Options options = options_for_fake();
    options.http.tls.pinned_keys = {std::string(43, 'A') + "="};
    CHECK(error_name_of([&] { S3Store("s3+http://localhost:1/bucket", options); }) == "invalid");
    S3Store("s3+https://localhost:1/bucket", options);
}

TEST_CASE("many objects are removed a thousand at a time, those that may not be are named")
{
    FakeS3Manners manners;
    std::size_t requests = 3;
    SUBCASE("by a server that knows it") {}
    SUBCASE("one by one where it does not")
    {
        manners.knows_batches = false;
        requests = 1 + 2001;
    }
    S3Rig rig(manners);
    std::vector<std::string> keys;
    for (int i = 0; i < 2001; ++i) {
        keys.push_back("packs/" + std::to_string(i));
        rig.server.put("a/b/" + keys.back(), "x");
    }
    rig.server.put("a/b/kept", "x");
    if (manners.knows_batches) {
        rig.server.refused_removals = {{"a/b/packs/7", "AccessDenied"}};
    }
    const auto refused = rig.retrying.remove_all(keys, {});
    CHECK(static_cast<std::size_t>(rig.server.requests()) == requests);
    if (manners.knows_batches) {
        REQUIRE(refused.size() == 1);
        CHECK(refused[0].key == "packs/7");
        CHECK(refused[0].reason.find("AccessDenied") != std::string::npos);
    }
    CHECK(rig.server.objects().size() == 1 + refused.size());
    CHECK(rig.retrying.remove_all(keys, {}).size() == refused.size()); // absent is success
    CHECK(rig.retrying.remove_all({}, {}).empty());
}

TEST_CASE("a batch of removals of which one fails is tried again")
{
    S3Rig rig;
    rig.server.put("a/b/x", "x");
    rig.server.put("a/b/y", "y");
    rig.server.refused_removals = {{"a/b/y", "InternalError"}};
    const std::vector<std::string> keys{"x", "y"};
    CHECK(error_name_of([&] { rig.retrying.remove_all(keys, {}); }) == "unavailable");
    CHECK(rig.server.requests() == 8);
    rig.server.refused_removals.clear();
    CHECK(rig.retrying.remove_all(keys, {}).empty());
    CHECK(rig.server.objects().empty());
}

TEST_CASE("a probe aborts uploads and removes probes that are long forgotten, and only those")
{
    S3Rig rig;
    const std::int64_t now = system_clock().now().seconds;
    constexpr std::int64_t day = 24 * 3600;
    rig.server.begin_upload("a/b/packs/old", {now - 8 * day, 0});
    rig.server.begin_upload("a/b/packs/young", {now - 6 * day, 0});
    rig.server.begin_upload("a/bc/packs/other", {now - 8 * day, 0});
    rig.store->probe({});
    CHECK(rig.server.uploads() == 2);
    CHECK(rig.server.problems().empty());
}

TEST_CASE("a probe does not follow a list of uploads that has no end")
{
    S3Rig rig;
    std::atomic<int> pages = 0;
    rig.server.fault = [&](const FakeRequest& request, FakeConnection& connection) {
        if (request.target.find("&uploads=") == std::string::npos || pages == 2000) {
            return false;
        }
        connection.reply(
            200,
            fmt::format("<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"
                        "<NextKeyMarker>k{}</NextKeyMarker></ListMultipartUploadsResult>",
                        ++pages),
            {{"Date", "Tue, 24 Nov 2026 10:00:00 GMT"}});
        return true;
    };
    rig.store->probe({});
    CHECK(pages == 100);
}

TEST_CASE("a small object is read whole by one request, a large one by two, never beyond the limit")
{
    S3Rig rig;
    for (const auto& [size, limit, requests] : {std::tuple{0, 100, 1},
                                                {1, 1, 1},
                                                {100, 100, 1},
                                                {128 * 1024, 1 << 20, 1},
                                                {128 * 1024 + 1, 1 << 20, 2},
                                                {1 << 20, 1 << 20, 2},
                                                {0, 0, 1}}) {
        const std::string told = std::to_string(size) + " of " + std::to_string(limit);
        CAPTURE(told);
        const Bytes bytes = seeded_bytes(7, static_cast<std::size_t>(size));
        rig.server.put("a/b/x", std::string(as_text(bytes)));
        const int before = rig.server.requests();
        CHECK((get_object(*rig.store, "x", static_cast<std::uint64_t>(limit), {}) == bytes));
        CHECK(rig.server.requests() == before + requests);
    }
    rig.server.put("a/b/x", std::string(101, 'x'));
    CHECK(error_name_of([&] { get_object(*rig.store, "x", 100, {}); }) == "damaged");
    rig.server.put("a/b/x", "x");
    CHECK(error_name_of([&] { get_object(*rig.store, "x", 0, {}); }) == "damaged");
    CHECK(error_name_of([&] { get_object(*rig.store, "y", 100, {}); }) == "not-found");
}

TEST_CASE("a bucket that wants the MD5 of what it keeps gets it, once it has said so")
{
    FakeS3Manners manners;
    manners.wants_md5 = true;
    S3Options options = options_for_fake();
    options.largest_single_put = 10 * MiB;
    S3Rig rig(manners, options);
    rig.store->create("x", seeded_bytes(1, 10), {});
    rig.store->create("packs/" + to_hex(sha256(seeded_bytes(2, MiB))), seeded_bytes(2, MiB), {});
    CHECK(rig.server.requests() == 3);
    rig.store->create("y", seeded_bytes(3, 11 * MiB), {});
    CHECK(rig.server.objects().size() == 3);
}

TEST_CASE("what is to be locked says how and until when, a probe is not locked")
{
    FakeClock clock(system_clock().now());
    FakeS3Manners manners;
    manners.wants_md5 = true;
    S3Options options = options_for_fake();
    options.clock = &clock;
    options.lock_mode = "COMPLIANCE";
    options.lock_days = 10;
    S3Rig rig(manners, options);
    std::vector<FakeRequest> seen;
    rig.server.fault = [&](const FakeRequest& request, FakeConnection&) {
        seen.push_back(request);
        return false;
    };
    rig.store->create("x", seeded_bytes(1, 10), {});
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].header("x-amz-object-lock-mode") == "COMPLIANCE");
    const auto until = parse_time(seen[0].header("x-amz-object-lock-retain-until-date"));
    REQUIRE(until);
    CHECK(until->seconds == clock.now().seconds + 10 * 24 * 3600);
    rig.server.fault = [&](const FakeRequest& request, FakeConnection&) {
        CHECK(request.header("x-amz-object-lock-mode").empty());
        return false;
    };
    rig.store->probe({});
}

TEST_CASE(
    "nothing is ever stored but on the condition that nothing is there, which a policy may demand")
{
    S3Options options = options_for_fake();
    options.largest_single_put = 10 * MiB;
    S3Rig rig({}, options);
    std::atomic<int> stored{0};
    rig.server.fault = [&](const FakeRequest& request, FakeConnection& c) {
        const bool part = request.target.find("partNumber=") != std::string::npos;
        const bool begin = request.target.find("uploads=") != std::string::npos;
        const bool makes = request.method == "PUT" || request.method == "POST";
        if (!makes || part || begin) {
            return false;
        }
        ++stored;
        const bool refused = request.header("if-none-match") != "*";
        if (refused) {
            FakeS3::refuse(c, 403, "AccessDenied");
        }
        return refused;
    };
    rig.store->probe({});
    rig.store->create("small", seeded_bytes(1, 10), {});
    rig.store->create("packs/" + std::string(64, 'a'), seeded_bytes(1, 2 * MiB), {});
    rig.store->create("in-parts", seeded_bytes(1, 11 * MiB), {});
    CHECK(stored == 2 + 4 + 1 + 2 + 1); // probes, a race, one, one by a wrong hash and by its own
    CHECK(rig.server.objects().size() == 3);
}
