#include "store/retrying_store.hpp"
#include "store/s3_store.hpp"
#include "support/fake_clock.hpp"
#include "support/fake_environment.hpp"
#include "support/store_conformance.hpp"

#include <atomic>
#include <cstdlib>
#include <doctest/doctest.h>

using namespace backstay::core;

// Against a real server, which support/rgw.py has started.

namespace
{

std::string variable(const char* name)
{
    const char* value = std::getenv(name);
    REQUIRE_MESSAGE(value != nullptr, "start this test by tests/support/rgw.py");
    return value;
}

std::string random_name(const char* kind)
{
    static std::atomic<int> count = 0;
    return std::string(kind) + "-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

struct Server {
    std::string http = variable("BACKSTAY_TEST_S3_HTTP");
    std::string https = variable("BACKSTAY_TEST_S3_HTTPS");
    std::string ca_file = variable("BACKSTAY_TEST_S3_CA_FILE");
    FakeEnvironment environment;

    S3Options options() const
    {
        S3Options options;
        options.credentials = AwsCredentials(variable("BACKSTAY_TEST_S3_ACCESS_KEY"),
                                             variable("BACKSTAY_TEST_S3_SECRET_KEY"));
        options.http.tls.ca_file = ca_file;
        options.environment = environment.get();
        return options;
    }

    HttpReply ask_bucket(const std::string& bucket, const std::string& query = {},
                         std::string_view body = {}, const HeaderList& headers = {},
                         const std::string& key = {}, const std::string& method = {}) const
    {
        S3Location place;
        place.endpoint = http;
        place.bucket = bucket;
        S3Request request;
        request.operation = "change the bucket";
        request.method = !method.empty() ? method : key.empty() ? "PUT" : "GET";
        request.key = key;
        request.query = query;
        request.headers = headers;
        request.body = as_bytes(body);
        return S3RequestSender(place, options()).demand(request, {});
    }

    std::string new_bucket() const
    {
        const std::string name = random_name("bucket");
        ask_bucket(name);
        return name;
    }

    std::shared_ptr<ObjectStore> new_store(const std::string& endpoint) const
    {
        return std::make_shared<S3Store>("s3+" + endpoint + "/" + new_bucket(), options());
    }
};

Error failure_of(const std::function<void()>& body)
{
    auto error = error_of(body);
    REQUIRE(error);
    return *error;
}

bool says(const Error& error, std::string_view text)
{
    return std::string_view(error.what()).find(text) != std::string_view::npos;
}

} // namespace

TEST_CASE("a bucket of a real server is an object store")
{
    const Server server;
    StoreConformance{[&] { return server.new_store(server.http); }}.run();
}

TEST_CASE("a prefix in a bucket is an object store, over TLS, retried")
{
    const Server server;
    const std::string bucket = server.new_bucket();
    StoreConformance suite{[&]() -> std::shared_ptr<ObjectStore> {
        auto store = std::make_shared<S3Store>("s3+" + server.https + "/" + bucket +
                                                   "/Some where/" + random_name("below"),
                                               server.options());
        return std::make_shared<RetryingStore>(std::move(store), RetryPolicy{},
                                               RetryingStore::Limits{});
    }};
    suite.many_objects = 1001;
    suite.races = 5;
    suite.run();
}

TEST_CASE("a bucket may stand in the host's name")
{
    const Server server;
    const std::string bucket = server.new_bucket();
    S3Options options = server.options();
    options.addressing = S3Addressing::virtual_host;
    std::string endpoint = server.http;
    endpoint.replace(endpoint.find("127.0.0.1"), 9, "s3.localhost");
    S3Store store("s3+" + endpoint + "/" + bucket + "/a", options);
    const Bytes bytes = seeded_bytes(1, 1000);
    store.create("packs/x", bytes, {});
    CHECK(get_object(store, "packs/x", 1000, {}) == bytes);
    CHECK(keys_of(store, "") == std::vector<std::string>{"packs/x"});
    S3Store same("s3+" + server.http + "/" + bucket + "/a", server.options());
    CHECK(get_object(same, "packs/x", 1000, {}) == bytes);
}

TEST_CASE("an object of more than 128 MiB is stored in parts, once")
{
    const Server server;
    const auto store = server.new_store(server.http);
    const Bytes bytes = seeded_bytes(1, 128 * MiB + 12345);
    store->create("packs/large", bytes, {});
    CHECK(store->stat("packs/large", {})->size == bytes.size());
    CHECK(get_object(*store, "packs/large", bytes.size(), {}) == bytes);
    CHECK(error_name_of([&] { store->create("packs/large", bytes, {}); }) == "exists");
}

TEST_CASE("a large object whose name is not its hash is stored all the same")
{
    const Server server;
    const auto store = server.new_store(server.http);
    const Bytes bytes = seeded_bytes(1, 2 * MiB);
    const std::string key = "packs/" + std::string(64, 'a');
    store->create(key, bytes, {});
    CHECK(get_object(*store, key, bytes.size(), {}) == bytes);
}

TEST_CASE("a bucket with versions, where conditions are passed over, is found out")
{
    const Server server;
    const std::string bucket = server.new_bucket();
    server.ask_bucket(
        bucket, "versioning=",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    S3Store store("s3+" + server.http + "/" + bucket, server.options());
    store.probe({});
    const StoreDescription description = store.describe({});
    CHECK_FALSE(description.exclusive_create);
    CHECK(description.note.find("If-None-Match") != std::string::npos);
    store.create("a", seeded_bytes(1, 10), {});
    CHECK(error_name_of([&] { store.create("a", seeded_bytes(2, 10), {}); }) == "exists");
    CHECK(get_object(store, "a", 10, {}) == seeded_bytes(1, 10));
}

TEST_CASE("a clock that is an hour wrong is borne, and reported")
{
    const Server server;
    FakeClock clock;
    clock.set(Timestamp{system_clock().now().seconds - 3600, 0});
    S3Options options = server.options();
    options.clock = &clock;
    S3Store store("s3+" + server.http + "/" + server.new_bucket(), options);
    store.create("a", seeded_bytes(1, 10), {});
    CHECK(get_object(store, "a", 10, {}) == seeded_bytes(1, 10));
    CHECK(store.describe({}).note.find("behind the server's") != std::string::npos);
    CHECK(store.traffic()->writes == 2); // the refused one, and the one that was signed again
}

TEST_CASE("what is wrong with a bucket or a key is said in one sentence")
{
    const Server server;
    const std::string bucket = server.new_bucket();
    const auto list = [](const std::string& uri, const S3Options& options) {
        return failure_of([&] { keys_of(*std::make_shared<S3Store>(uri, options), ""); });
    };
    SUBCASE("no such bucket")
    {
        const Error error = list("s3+" + server.http + "/no-such-bucket", server.options());
        CHECK(error.code() == ErrorCode::not_found);
        CHECK(says(error, "there is no bucket 'no-such-bucket': create it"));
    }
    SUBCASE("wrong secret")
    {
        S3Options options = server.options();
        options.credentials->secret_key += "x";
        const Error error = list("s3+" + server.http + "/" + bucket, options);
        CHECK(error.code() == ErrorCode::denied);
        CHECK(says(error, "the secret key does not belong to the access key"));
        S3Store store("s3+" + server.http + "/" + bucket, options);
        CHECK(failure_of([&] { store.stat("a", {}); }).code() == ErrorCode::denied);
    }
    SUBCASE("unknown key")
    {
        S3Options options = server.options();
        options.credentials->access_key += "x";
        const Error error = list("s3+" + server.http + "/" + bucket, options);
        CHECK(error.code() == ErrorCode::denied);
        CHECK(says(error, "the server does not know the access key"));
    }
    SUBCASE("anonymous")
    {
        S3Options options = server.options();
        options.credentials.reset();
        options.anonymous = true;
        const Error error = list("s3+" + server.http + "/" + bucket, options);
        CHECK(error.code() == ErrorCode::denied);
        CHECK(says(error, "permission"));
    }
    SUBCASE("an authority that is not trusted")
    {
        S3Options options = server.options();
        options.http.tls.ca_file.clear();
        const Error error = list("s3+" + server.https + "/" + bucket, options);
        CHECK(error.code() == ErrorCode::denied);
        CHECK(says(error, "authority that is not trusted"));
    }
    SUBCASE("nobody there")
    {
        const Error error = list("s3+http://127.0.0.1:9/" + bucket, server.options());
        CHECK(error.code() == ErrorCode::unavailable);
        CHECK(says(error, "cannot list the objects in bucket"));
        CHECK(says(error, "cannot connect"));
    }
}

TEST_CASE("what is locked is kept by the server for its time")
{
    const Server server;
    const std::string bucket = random_name("locked");
    server.ask_bucket(bucket, {}, {}, {{"x-amz-bucket-object-lock-enabled", "true"}});
    S3Options options = server.options();
    options.lock_mode = "GOVERNANCE";
    options.lock_days = 2;
    S3Store store("s3+" + server.http + "/" + bucket, options);
    store.create("a", seeded_bytes(1, 10), {});
    CHECK(get_object(store, "a", 10, {}) == seeded_bytes(1, 10));
    const std::string retention = server.ask_bucket(bucket, "retention=", {}, {}, "a").body;
    CHECK(retention.find("GOVERNANCE") != std::string::npos);
    const std::string day =
        format_time({system_clock().now().seconds + 2 * 24 * 3600, 0}).substr(0, 10);
    CHECK(retention.find(day) != std::string::npos);
    store.probe({});
    CHECK_FALSE(store.describe({}).exclusive_create);
}

TEST_CASE("what was deleted or replaced in a bucket with versions can be read")
{
    const Server server;
    const std::string bucket = server.new_bucket();
    server.ask_bucket(
        bucket, "versioning=",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    const std::string uri = "s3+" + server.http + "/" + bucket + "/below";
    S3Store store(uri, server.options());
    const Bytes good = seeded_bytes(1, 200'000);
    for (const std::string key : {"packs/a", "packs/b", "packs/c", "sessions/s"}) {
        store.create(key, good, {});
    }
    store.remove("packs/a", {});
    server.ask_bucket(bucket, {}, "junk", {}, "below/packs/b", "PUT");
    store.remove("sessions/s", {});
    CHECK(keys_of(store, "") == std::vector<std::string>{"packs/b", "packs/c"});
    for (const auto choice : {S3VersionChoice::newest, S3VersionChoice::oldest}) {
        S3Options options = server.options();
        options.versions = choice;
        options.always_current = {"sessions/"};
        S3Store behind(uri, options);
        CHECK(get_object(behind, "packs/a", good.size(), {}) == good); // before any list, too
        CHECK(keys_of(behind, "packs/") ==
              std::vector<std::string>{"packs/a", "packs/b", "packs/c"});
        CHECK(behind.stat("packs/a", {})->size == good.size());
        CHECK(get_object(behind, "packs/c", good.size(), {}) == good);
        const Bytes b = get_object(behind, "packs/b", good.size(), {});
        CHECK((b == good) == (choice == S3VersionChoice::oldest));
        CHECK(keys_of(behind, "sessions/").empty());
        CHECK_FALSE(behind.stat("sessions/s", {}));
        CHECK_FALSE(behind.stat("packs/d", {}));
        CHECK(error_name_of([&] { behind.remove("packs/c", {}); }) == "denied");
        CHECK(behind.remove_all(std::vector<std::string>{"packs/c"}, {}).size() == 1);
        behind.remove("sessions/s", {});
    }
}

TEST_CASE("locks that end soon are told, and renewed")
{
    const Server server;
    const std::string bucket = random_name("locked");
    server.ask_bucket(bucket, {}, {}, {{"x-amz-bucket-object-lock-enabled", "true"}});
    const std::string uri = "s3+" + server.http + "/" + bucket;
    S3Options options = server.options();
    S3Store bare(uri, options);
    bare.create("never", seeded_bytes(1, 10), {});
    options.lock_mode = "GOVERNANCE";
    options.lock_days = 1;
    S3Store brief(uri, options);
    brief.create("briefly", seeded_bytes(1, 10), {});
    options.lock_days = 10;
    S3Store store(uri, options);
    store.create("long", seeded_bytes(1, 10), {});
    const std::int64_t now = system_clock().now().seconds;
    constexpr std::int64_t day = 24 * 3600;
    const Timestamp long_ago{now - 6 * day, 0};
    const std::vector<ObjectInfo> objects{{"briefly", 10, long_ago},
                                          {"long", 10, long_ago},
                                          {"never", 10, long_ago},
                                          {"gone", 10, long_ago},
                                          {"young", 10, {now - 4 * day, 0}}};
    CHECK(store.describe({}).locks_objects);
    LockReport report = store.keep_locks(objects, LockUpkeep::look, {});
    CHECK(report.ending == 2);
    CHECK(report.renewed == 0);
    report = store.keep_locks(objects, LockUpkeep::renew, {});
    CHECK(report.ending == 0);
    CHECK(report.renewed == 2);
    CHECK(report.refused.empty());
    CHECK(store.keep_locks(objects, LockUpkeep::renew, {}).renewed == 0);
    for (const std::string key : {"briefly", "never"}) {
        const std::string retention = server.ask_bucket(bucket, "retention=", {}, {}, key).body;
        CHECK(retention.find(format_time({now + 10 * day, 0}).substr(0, 10)) != std::string::npos);
    }
    CHECK_FALSE(bare.describe({}).locks_objects);
    CHECK(bare.keep_locks(objects, LockUpkeep::renew, {}).renewed == 0);
}

TEST_CASE("the server may encrypt what it stores, in parts or whole")
{
    const Server server;
    S3Options options = server.options();
    options.encryption = "aws:kms";
    options.kms_key = "test-key";
    options.storage_class = "STANDARD";
    options.largest_single_put = 40 * MiB;
    S3Store store("s3+" + server.http + "/" + server.new_bucket(), options);
    for (const std::size_t size : {std::size_t{10}, std::size_t{5 * MiB}, std::size_t{41 * MiB}}) {
        CAPTURE(size);
        const Bytes bytes = seeded_bytes(size, size);
        const std::string key = "packs/" + std::to_string(size);
        store.create(key, bytes, {});
        CHECK(store.stat(key, {})->size == size);
        CHECK((get_object(store, key, size, {}) == bytes));
    }
}
