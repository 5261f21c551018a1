#include "store/retrying_store.hpp"
#include "store/s3_multipart.hpp"
#include "store/s3_store.hpp"
#include "support/fake_clock.hpp"
#include "support/fake_environment.hpp"
#include "support/fake_s3.hpp"
#include "support/store_conformance.hpp"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <thread>

using namespace backstay::core;

namespace
{

S3Options options_for_fake()
{
    S3Options options;
    options.credentials = AwsCredentials("key", "secret");
    options.environment = FakeEnvironment().get();
    return options;
}

/// Where an object of a few MiB is put together from parts.
S3Options options_for_small_parts()
{
    S3Options options = options_for_fake();
    options.largest_single_put = MiB;
    options.usual_part = MiB;
    return options;
}

FakeS3Manners small_parts()
{
    FakeS3Manners manners;
    manners.smallest_part = MiB;
    return manners;
}

/// A fake server, a store on it, and one around that which tries again without waiting.
struct Rig {
    explicit Rig(FakeS3Manners manners = {}, S3Options options = options_for_fake())
        : server(manners), store(std::make_shared<S3Store>(server.uri(), options)),
          retrying(store, RetryPolicy{}, {}, waiting())
    {
    }

    Waiting waiting()
    {
        return {[this] { return now.load(); },
                [this](double seconds, const std::stop_token&) { now = now + seconds; }};
    }

    /// The first `times` requests of `method` are answered by `answer`.
    void fail(const std::string& method, int times,
              std::function<void(const FakeRequest&, FakeConnection&)> answer)
    {
        server.fault = [this, method, times, answer = std::move(answer)](
                           const FakeRequest& request, FakeConnection& connection) {
            if (request.method != method || failed >= times) {
                return false;
            }
            ++failed;
            answer(request, connection);
            return true;
        };
    }

    std::atomic<double> now{0};
    std::atomic<int> failed{0};
    FakeS3 server;
    std::shared_ptr<S3Store> store;
    RetryingStore retrying;
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

Bytes get(ObjectStore& store, const std::string& key, std::size_t size)
{
    Bytes bytes(size);
    bytes.resize(store.get(key, 0, bytes, {}));
    return bytes;
}

std::string text_of(const Bytes& bytes)
{
    return std::string(as_text(bytes));
}

} // namespace

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

TEST_CASE("what may pass is tried again, whatever the operation")
{
    const Bytes bytes = seeded_bytes(1, 100);
    const std::vector<std::function<void(FakeConnection&)>> answers = {
        [](FakeConnection& c) { FakeS3::refuse(c, 500, "InternalError"); },
        [](FakeConnection& c) { FakeS3::refuse(c, 503, "SlowDown"); },
        [](FakeConnection& c) { FakeS3::refuse(c, 503, "ServiceUnavailable"); },
        [](FakeConnection& c) { FakeS3::refuse(c, 429, "TooManyRequests"); },
        [](FakeConnection& c) { FakeS3::refuse(c, 400, "RequestTimeout"); },
        [](FakeConnection& c) { FakeS3::refuse(c, 409, "ConditionalRequestConflict"); },
        [](FakeConnection& c) { FakeS3::refuse(c, 409, "OperationAborted"); },
        [](FakeConnection& c) { c.body(), c.reply(502, "<html>Bad gateway</html>"); },
        [](FakeConnection& c) { c.body(), c.reply(504); },
        [](FakeConnection& c) { c.body(), c.reply(408); },
        [](FakeConnection& c) { c.close(); },
        [](FakeConnection& c) { c.body(), c.reset(); },
        [](FakeConnection& c) { c.body(), c.send("HTTP/1.1 200 OK\r\nContent-Le"), c.close(); },
    };
    for (std::size_t i = 0; i < answers.size(); ++i) {
        CAPTURE(i);
        const auto answer = [&](const FakeRequest&, FakeConnection& c) { answers[i](c); };
        Rig rig;
        rig.fail("PUT", 2, answer);
        rig.retrying.create("x", bytes, {});
        CHECK(rig.failed == 2);
        rig.failed = 0;
        rig.fail("GET", 2, answer);
        CHECK(get(rig.retrying, "x", 200) == bytes);
        CHECK(keys_of(rig.retrying, "") == std::vector<std::string>{"x"});
        CHECK(rig.failed == 2);
        rig.failed = 0;
        rig.fail("HEAD", 2, [&](const FakeRequest&, FakeConnection& c) {
            c.reply(503); // no body: it is a HEAD
        });
        CHECK(rig.retrying.stat("x", {}));
        rig.failed = 0;
        rig.fail("DELETE", 2, answer);
        rig.retrying.remove("x", {});
        CHECK(rig.failed == 2);
        CHECK(rig.server.objects().empty());
        CHECK(rig.server.problems().empty());
    }
}

TEST_CASE("what will not pass is asked once")
{
    for (const auto& [status, code, expected] : {std::tuple{403, "AccessDenied", "denied"},
                                                 {403, "InvalidAccessKeyId", "denied"},
                                                 {403, "SignatureDoesNotMatch", "denied"},
                                                 {404, "NoSuchBucket", "not-found"},
                                                 {400, "InvalidArgument", "storage"},
                                                 {403, "QuotaExceeded", "no-space"},
                                                 {507, "InsufficientStorage", "no-space"},
                                                 {400, "EntityTooLarge", "storage"},
                                                 {418, "Teapot", "storage"}}) {
        const std::string told = code;
        CAPTURE(told);
        Rig rig;
        rig.fail("PUT", 100, [&, s = status, name = code](const FakeRequest&, FakeConnection& c) {
            FakeS3::refuse(c, s, name);
        });
        CHECK(error_name_of([&] { rig.retrying.create("x", seeded_bytes(1, 10), {}); }) ==
              expected);
        CHECK(rig.failed == 1);
    }
}

TEST_CASE("what is given up names operation, bucket, key, request and attempts")
{
    Rig rig;
    rig.fail("GET", 100,
             [](const FakeRequest&, FakeConnection& c) { FakeS3::refuse(c, 503, "SlowDown"); });
    const Error error = failure_of([&] { get(rig.retrying, "packs/x", 10); });
    CHECK(error.code() == ErrorCode::unavailable);
    CHECK(error.subject() == "packs/x");
    CHECK(says(error, "cannot get the object in bucket 'bucket'"));
    CHECK(says(error, "503 SlowDown"));
    CHECK(says(error, "REQUEST7"));
    CHECK(says(error, "8 attempts"));
    CHECK(rig.failed == 8);
}

TEST_CASE("a pause is as long as the server asks")
{
    Rig rig;
    rig.fail("GET", 1, [](const FakeRequest&, FakeConnection& c) {
        FakeS3::refuse(c, 503, "SlowDown", {{"Retry-After", "17"}});
    });
    keys_of(rig.retrying, "");
    CHECK(rig.now >= 17);
}

TEST_CASE("a create whose answer was lost is not a conflict with itself")
{
    Rig rig;
    rig.fail("PUT", 1, [&](const FakeRequest&, FakeConnection& c) {
        rig.server.put("a/b/config/1", c.body());
        c.reset();
    });
    rig.retrying.create("config/1", as_bytes("mine"), {});
    CHECK(rig.server.objects().at("a/b/config/1") == "mine");
    CHECK(error_name_of([&] { rig.retrying.create("config/1", as_bytes("mine"), {}); }) ==
          "exists");
}

TEST_CASE("a body that breaks off is never taken for the object")
{
    Rig rig;
    const Bytes bytes = seeded_bytes(1, 100'000);
    rig.store->create("x", bytes, {});
    const auto half = [&](const FakeRequest&, FakeConnection& c) {
        c.send(FakeConnection::head(
                   206, bytes.size(),
                   {{"ETag", "\"other\""}, {"Content-Range", "bytes 0-99999/100000"}}) +
               std::string(50'000, 'x'));
        c.close();
    };
    rig.fail("GET", 1, half);
    CHECK(error_name_of([&] { get(*rig.store, "x", bytes.size()); }) == "unavailable");
    rig.failed = 0;
    rig.fail("GET", 3, half);
    CHECK(get(rig.retrying, "x", bytes.size()) == bytes);
}

TEST_CASE("a part that is not the one asked for is refused")
{
    for (const auto& [status, range, body] :
         {std::tuple{206, "bytes 0-9/100", "0123456789"}, // another part
          {206, "bytes 10-19/100", "01234"},              // shorter than it says
          {206, "bytes 10-14/100", "01234"},              // shorter than asked for
          {206, "bytes 10-19/15", "0123456789"},          // beyond the end
          {206, "bytes 10-19/*", "0123456789"},           // of no known whole
          {206, "bytes 19-10/100", "0123456789"},         // backwards
          {206, "bytes 99999999999999999999-1/1", "0"},   // no number
          {206, "lines 10-19/100", "0123456789"},         // not bytes
          {206, "", "0123456789"},                        // not said
          {200, "", "0123456789"}}) {                     // the whole
        const std::string told = range;
        CAPTURE(told);
        Rig rig;
        rig.fail("GET", 100,
                 [&, s = status, r = range, b = body](const FakeRequest&, FakeConnection& c) {
                     HeaderList headers{{"ETag", "\"e\""}};
                     if (*r != '\0') {
                         headers.emplace_back("Content-Range", r);
                     }
                     c.reply(s, b, headers);
                 });
        Bytes buffer(10);
        const Error error = failure_of([&] { rig.retrying.get("x", 10, buffer, {}); });
        CHECK(error.code() == ErrorCode::storage);
        CHECK(error.subject() == "x");
        CHECK(rig.failed == 1);
    }
}

TEST_CASE("a reply longer than was asked for is refused")
{
    Rig rig;
    rig.fail("GET", 100,
             [](const FakeRequest&, FakeConnection& c) { c.reply(200, std::string(1000, 'x')); });
    CHECK(error_name_of([&] { get(*rig.store, "x", 10); }) == "storage");
}

TEST_CASE("an object that is replaced while it is read is read again, all of it")
{
    Rig rig;
    const std::string old_bytes(40 * MiB, 'o');
    const std::string new_bytes(40 * MiB, 'n');
    rig.server.put("a/b/x", old_bytes);
    std::atomic<int> gets{0};
    rig.server.fault = [&](const FakeRequest& request, FakeConnection&) {
        if (request.method == "GET" && ++gets == 2) {
            rig.server.put("a/b/x", new_bytes);
        }
        return false;
    };
    SUBCASE("by one who tries once it is an error")
    {
        const Error error = failure_of([&] { get(*rig.store, "x", old_bytes.size()); });
        CHECK(error.code() == ErrorCode::unavailable);
        CHECK(says(error, "replaced while it was read"));
    }
    SUBCASE("by one who tries again it is the new one")
    {
        const Bytes got = get(rig.retrying, "x", old_bytes.size());
        CHECK((as_text(got) == new_bytes));
    }
}

TEST_CASE("a server that stalls is left after the time that is set")
{
    S3Options options = options_for_fake();
    options.http.stall = {KiB, std::chrono::milliseconds(100)};
    Rig rig({}, options);
    rig.server.put("a/b/x", "here");
    rig.fail("GET", 1, [](const FakeRequest&, FakeConnection& c) {
        c.send(FakeConnection::head(206, 4, {{"Content-Range", "bytes 0-3/4"}}) + "he");
        c.await_close();
    });
    CHECK(text_of(get(rig.retrying, "x", 10)) == "here");
    CHECK(rig.failed == 1);
}

TEST_CASE("an object in parts gets its lock where the first try to put it on failed")
{
    S3Options options = options_for_fake();
    options.largest_single_put = 10 * MiB;
    options.lock_mode = "GOVERNANCE";
    options.lock_days = 30;
    FakeS3Manners manners;
    SUBCASE("on a server that knows conditions") {}
    SUBCASE("on one that passes over them")
    {
        manners.honours_conditions = false;
    }
    SUBCASE("on one that refuses them")
    {
        manners.knows_conditions = false;
    }
    Rig rig(manners, options);
    rig.store->probe({});
    std::atomic<int> locks{0};
    rig.server.fault = [&](const FakeRequest& request, FakeConnection& c) {
        const bool locks_it =
            request.method == "PUT" && request.target.find("retention") != std::string::npos;
        if (locks_it && ++locks == 1) {
            FakeS3::refuse(c, 503, "SlowDown");
        } else if (locks_it) {
            c.body();
            c.reply(200);
        }
        return locks_it;
    };
    const Bytes bytes = seeded_bytes(1, 11 * MiB);
    // What has this name has these bytes: a pack's writer takes that for success.
    const Error error = failure_of([&] { rig.retrying.create_cold("packs/x", bytes, {}); });
    CHECK(error.code() == ErrorCode::exists);
    CHECK(locks == 2);
    CHECK(as_text(bytes) == rig.server.objects().at("a/b/packs/x"));
}

TEST_CASE("an object is put together from parts, and parts that failed are sent again")
{
    S3Options options = options_for_small_parts();
    Rig rig(small_parts(), options);
    const Bytes bytes = seeded_bytes(1, 2200 * KiB); // of three parts
    const std::string key = "packs/x";
    const auto is_part = [](const FakeRequest& request) {
        return request.target.find("partNumber=2") != std::string::npos;
    };
    const auto is_end = [](const FakeRequest& request) {
        return request.method == "POST" && request.target.find("uploadId=") != std::string::npos;
    };
    std::atomic<int> parts{0};
    std::atomic<int> ends{0};
    SUBCASE("a part, once")
    {
        rig.server.fault = [&](const FakeRequest& request, FakeConnection& c) {
            const bool fails = is_part(request) && ++parts == 1;
            if (fails) {
                FakeS3::refuse(c, 500, "InternalError");
            }
            return fails;
        };
        rig.store->create(key, bytes, {});
        CHECK(as_text(bytes) == rig.server.objects().at("a/b/packs/x"));
    }
    SUBCASE("the end says 200, and then that it went wrong")
    {
        rig.server.fault = [&](const FakeRequest& request, FakeConnection& c) {
            const bool fails = is_end(request) && ++ends == 1;
            if (fails) {
                FakeS3::refuse(c, 200, "InternalError");
            }
            return fails;
        };
        rig.store->create(key, bytes, {});
        CHECK(ends == 2);
        CHECK(as_text(bytes) == rig.server.objects().at("a/b/packs/x"));
    }
    SUBCASE("the answer to the end is lost")
    {
        rig.server.fault = [&](const FakeRequest& request, FakeConnection& c) {
            const bool fails = is_end(request) && ++ends == 1;
            if (fails) {
                rig.server.put("a/b/packs/x", std::string(as_text(bytes)));
                c.body();
                c.reset();
            }
            return fails;
        };
        rig.retrying.create(key, bytes, {});
    }
    SUBCASE("a part, always")
    {
        rig.server.fault = [&](const FakeRequest& request, FakeConnection& c) {
            const bool fails = is_part(request);
            if (fails) {
                FakeS3::refuse(c, 500, "InternalError");
            }
            return fails;
        };
        CHECK(error_name_of([&] { rig.store->create(key, bytes, {}); }) == "unavailable");
        CHECK(rig.server.objects().empty());
    }
    SUBCASE("it is stopped in between")
    {
        std::stop_source stop;
        rig.server.fault = [&](const FakeRequest& request, FakeConnection&) {
            if (is_part(request)) {
                stop.request_stop();
            }
            return false;
        };
        CHECK(error_name_of([&] { rig.store->create(key, bytes, stop.get_token()); }) ==
              "cancelled");
        CHECK(rig.server.objects().empty());
    }
    SUBCASE("somebody else was there before the end")
    {
        rig.server.fault = [&](const FakeRequest& request, FakeConnection&) {
            if (is_end(request)) {
                rig.server.put("a/b/packs/x", "theirs");
            }
            return false;
        };
        CHECK(error_name_of([&] { rig.store->create(key, bytes, {}); }) == "exists");
        CHECK(rig.server.objects().at("a/b/packs/x") == "theirs");
    }
    CHECK(rig.server.uploads() == 0); // aborted, or completed
    CHECK(rig.server.problems().empty());
}

TEST_CASE("the parts of an object travel side by side, never more than there are to be connections")
{
    S3Options options = options_for_small_parts();
    options.connections = 3;
    Rig rig(small_parts(), options);
    const Bytes bytes = seeded_bytes(1, 5900 * KiB); // of six parts
    std::atomic<int> at_once{0};
    std::atomic<int> most{0};
    const auto is_part = [](const FakeRequest& request) {
        return request.target.find("partNumber=") != std::string::npos;
    };
    rig.server.fault = [&](const FakeRequest& request, FakeConnection&) {
        if (is_part(request)) {
            const int now = ++at_once;
            int seen = most;
            while (seen < now && !most.compare_exchange_weak(seen, now)) {
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            --at_once;
        }
        return false;
    };
    SUBCASE("one object")
    {
        rig.store->create("packs/x", bytes, {});
    }
    SUBCASE("two objects")
    {
        std::thread other([&] { rig.store->create("packs/y", bytes, {}); });
        rig.store->create("packs/x", bytes, {});
        other.join();
        CHECK(as_text(bytes) == rig.server.objects().at("a/b/packs/y"));
    }
    CHECK(as_text(bytes) == rig.server.objects().at("a/b/packs/x"));
    CHECK(most > 1);
    CHECK(most <= 3);
    CHECK(rig.server.uploads() == 0);
    CHECK(rig.server.problems().empty());
}

TEST_CASE("an object whose n-th part fails or is refused is not there, for every n")
{
    S3Options options = options_for_small_parts();
    const Bytes bytes = seeded_bytes(1, 4100 * KiB); // of five parts
    struct Answer {
        int status;
        const char* code;
        const char* error;
    };
    for (const Answer& answer :
         {Answer{503, "SlowDown", "unavailable"}, Answer{403, "AccessDenied", "denied"}}) {
        for (int nth = 1; nth <= 5; ++nth) {
            CAPTURE(answer.code);
            CAPTURE(nth);
            Rig rig(small_parts(), options);
            const std::string number = fmt::format("partNumber={}&", nth);
            rig.server.fault = [&](const FakeRequest& request, FakeConnection& c) {
                const bool fails = request.target.find(number) != std::string::npos;
                if (fails) {
                    FakeS3::refuse(c, answer.status, answer.code);
                }
                return fails;
            };
            CHECK(error_name_of([&] { rig.store->create("packs/x", bytes, {}); }) == answer.error);
            CHECK(rig.server.objects().empty());
            CHECK(rig.server.uploads() == 0);
            rig.server.fault = FakeS3::Fault();
            rig.store->create("packs/x", bytes, {});
            CHECK(as_text(bytes) == rig.server.objects().at("a/b/packs/x"));
        }
    }
}

TEST_CASE("parts are as large as usual, and larger where S3 would refuse their number")
{
    CHECK(s3_part_size(1, 32 * MiB) == 32 * MiB);
    CHECK(s3_part_size(320'000 * MiB, 32 * MiB) == 32 * MiB); // 10,000 of them
    CHECK(s3_part_size(320'000 * MiB + 1, 32 * MiB) == 33 * MiB);
    constexpr std::uint64_t largest = 5120 * GiB;
    const std::uint64_t size = s3_part_size(largest, 32 * MiB);
    CHECK((largest + size - 1) / size <= 10'000);
}

TEST_CASE("several prefixes are listed by one request where a page tells all of them")
{
    FakeS3Manners manners;
    manners.page = 6;
    Rig rig(manners);
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

TEST_CASE("credentials that have expired are replaced once")
{
    FakeEnvironment environment({{"AWS_ACCESS_KEY_ID", "key"},
                                 {"AWS_SECRET_ACCESS_KEY", "secret"},
                                 {"AWS_SESSION_TOKEN", "old"}});
    S3Options options;
    options.environment = environment.get();
    FakeS3Manners manners;
    manners.token = "new";
    Rig rig(manners, options);
    SUBCASE("and there are new ones")
    {
        rig.server.fault = [&](const FakeRequest&, FakeConnection&) {
            environment.set("AWS_SESSION_TOKEN", "new");
            return false;
        };
        rig.store->create("x", seeded_bytes(1, 10), {});
        CHECK(rig.server.requests() == 2);
    }
    SUBCASE("and there are none")
    {
        const Error error = failure_of([&] { rig.store->create("x", seeded_bytes(1, 10), {}); });
        CHECK(error.code() == ErrorCode::denied);
        CHECK(says(error, "expired: get new ones"));
        CHECK(rig.server.requests() == 2);
    }
    SUBCASE("also where the reply has no body to say so")
    {
        const Error error = failure_of([&] { rig.store->stat("x", {}); });
        CHECK(error.code() == ErrorCode::denied);
        CHECK(says(error, "ExpiredToken"));
    }
}

TEST_CASE("a clock that is wrong is borne and reported, whichever way")
{
    for (const std::int64_t ahead : {-5000, 5000}) {
        CAPTURE(ahead);
        FakeS3Manners manners;
        manners.clock = ahead;
        Rig rig(manners);
        rig.store->create("x", seeded_bytes(1, 10), {});
        rig.store->create("y", seeded_bytes(1, 10), {});
        CHECK(rig.server.requests() == 3); // it is learned once
        const std::string note = rig.store->describe({}).note;
        CHECK(note.find(ahead > 0 ? "behind the server's" : "ahead of the server's") !=
              std::string::npos);
    }
}

TEST_CASE("a server whose clock stands is not asked for ever")
{
    Rig rig;
    rig.fail("PUT", 100, [](const FakeRequest&, FakeConnection& c) {
        FakeS3::refuse(c, 403, "RequestTimeTooSkewed", {{"Date", "Tue, 24 Nov 2026 10:00:00 GMT"}});
    });
    const Error error = failure_of([&] { rig.retrying.create("x", seeded_bytes(1, 10), {}); });
    CHECK(error.code() == ErrorCode::denied);
    CHECK(says(error, "clock"));
    CHECK(rig.failed == 2);
}

TEST_CASE("a bucket in another region is found")
{
    FakeS3Manners manners;
    manners.region = "eu-central-1";
    Rig rig(manners);
    rig.store->create("x", seeded_bytes(1, 10), {});
    rig.store->create("y", seeded_bytes(1, 10), {});
    CHECK(rig.server.requests() == 3);
}

TEST_CASE("redirects in a circle end with the last region's name")
{
    Rig rig;
    rig.fail("GET", 100, [&](const FakeRequest&, FakeConnection& c) {
        FakeS3::refuse(c, 301, "PermanentRedirect",
                       {{"x-amz-bucket-region", rig.failed % 2 == 0 ? "eu-west-1" : "eu-west-2"},
                        {"Location", rig.server.uri().substr(3)}});
    });
    const Error error = failure_of([&] { keys_of(rig.retrying, ""); });
    CHECK(error.code() == ErrorCode::invalid);
    CHECK(says(error, "the bucket is in the region eu-west-"));
    CHECK(rig.failed == 3);
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
    Rig rig(manners);
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
    Rig rig(manners);
    rig.store->create("x", as_bytes("first"), {});
    CHECK(error_name_of([&] { rig.store->create("x", as_bytes("second"), {}); }) == "exists");
    CHECK(text_of(get(*rig.store, "x", 10)) == "first");
}

TEST_CASE("a probe by one who may not delete still tells what it saw")
{
    Rig rig;
    rig.fail("DELETE", 100,
             [](const FakeRequest&, FakeConnection& c) { FakeS3::refuse(c, 403, "AccessDenied"); });
    rig.store->probe({});
    CHECK(rig.store->describe({}).exclusive_create);
    CHECK(keys_of(*rig.store, "").empty()); // what stays is no object
}

TEST_CASE("a list that does not advance is an error, not a loop")
{
    const std::string one = "<Contents><Key>a/b/x</Key><Size>1</Size></Contents>";
    const std::string two = "<Contents><Key>a/b/y</Key><Size>1</Size></Contents>";
    const auto page = [](const std::string& contents) {
        return "<ListBucketResult>" + contents +
               "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
               "</ListBucketResult>";
    };
    for (const std::string& body :
         {page(""), page(one), page(one + two), page(two + one),
          page("<Contents><Key>elsewhere</Key><Size>1</Size></Contents>")}) {
        CAPTURE(body);
        Rig rig;
        rig.fail("GET", 100, [&](const FakeRequest&, FakeConnection& c) { c.reply(200, body); });
        CHECK(error_name_of([&] { keys_of(rig.retrying, ""); }) == "storage");
        CHECK(rig.failed <= 2);
    }
}

TEST_CASE("a list that is no list is an error")
{
    for (const std::string body : {"", "<html>Welcome</html>", "<ListBucketResult>"}) {
        CAPTURE(body);
        Rig rig;
        rig.fail("GET", 100, [&](const FakeRequest&, FakeConnection& c) { c.reply(200, body); });
        CHECK(error_name_of([&] { keys_of(rig.retrying, ""); }) == "storage");
    }
}

TEST_CASE("a large object is signed by the hash in its name, or by its own if that is another")
{
    Rig rig;
    const Bytes bytes = seeded_bytes(1, 2 * MiB);
    rig.store->create("packs/" + to_hex(sha256(bytes)), bytes, {});
    CHECK(rig.server.requests() == 1);
    rig.store->create("packs/" + std::string(64, 'a'), bytes, {});
    CHECK(rig.server.requests() == 3);
    CHECK(rig.server.objects().size() == 2);
}

TEST_CASE("what the user pays, owns and encrypts goes with every request that asks for it")
{
    S3Options options = options_for_fake();
    options.requester_pays = true;
    options.bucket_owner = "123456789012";
    options.storage_class = "STANDARD_IA";
    options.encryption = "aws:kms";
    options.kms_key = "some-key";
    Rig rig({}, options);
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
    Rig rig(manners);
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
    Rig rig;
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
    Rig rig;
    const std::int64_t now = system_clock().now().seconds;
    constexpr std::int64_t day = 24 * 3600;
    rig.server.begin_upload("a/b/packs/old", {now - 8 * day, 0});
    rig.server.begin_upload("a/b/packs/young", {now - 6 * day, 0});
    rig.server.begin_upload("a/bc/packs/other", {now - 8 * day, 0});
    rig.store->probe({});
    CHECK(rig.server.uploads() == 2);
    CHECK(rig.server.problems().empty());
}

TEST_CASE("a small object is read whole by one request, a large one by two, never beyond the limit")
{
    Rig rig;
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
    Rig rig(manners, options);
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
    Rig rig(manners, options);
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
    Rig rig({}, options);
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
