#include "support/s3_rig.hpp"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <functional>
#include <vector>

using namespace backstay::core;

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
        S3Rig rig;
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
        S3Rig rig;
        rig.fail("PUT", 100, [&, s = status, name = code](const FakeRequest&, FakeConnection& c) {
            FakeS3::refuse(c, s, name);
        });
        CHECK(error_name_of([&] { rig.retrying.create("x", seeded_bytes(1, 10), {}); }) ==
              expected);
        CHECK(rig.failed == 1);
    }
}

TEST_CASE("a proxy that cannot be used is not tried again")
{
    S3Options options = options_for_fake();
    options.http.proxy.url = "foo5://us3r:s3cretpw@127.0.0.1:1";
    S3Rig rig({}, options);
    const Error error = failure_of([&] { keys_of(rig.retrying, ""); });
    CHECK(error.code() == ErrorCode::invalid);
    CHECK_FALSE(says(error, "s3cretpw"));
    CHECK(rig.now == 0);
}

TEST_CASE("what is given up names operation, bucket, key, request and attempts")
{
    S3Rig rig;
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
    S3Rig rig;
    rig.fail("GET", 1, [](const FakeRequest&, FakeConnection& c) {
        FakeS3::refuse(c, 503, "SlowDown", {{"Retry-After", "17"}});
    });
    keys_of(rig.retrying, "");
    CHECK(rig.now >= 17);
}

TEST_CASE("requests and bytes are counted as far as they left")
{
    const Bytes large = seeded_bytes(1, 48 * MiB);
    SUBCASE("nobody there")
    {
        S3Store store("s3+http://127.0.0.1:1/bucket", options_for_fake());
        CHECK(error_name_of([&] { store.create("x", large, {}); }) == "unavailable");
        CHECK(error_name_of([&] { keys_of(store, ""); }) == "unavailable");
        const StoreTraffic traffic = *store.traffic();
        CHECK(traffic.writes == 0);
        CHECK(traffic.bytes_sent == 0);
    }
    SUBCASE("a server that goes away in the middle")
    {
        S3Rig rig;
        rig.fail("PUT", 1, [](const FakeRequest&, FakeConnection& c) {
            c.send("HTTP/1.1 100 Continue\r\n\r\n");
            c.some_body(MiB);
            c.reset();
        });
        CHECK(error_name_of([&] { rig.store->create("x", large, {}); }) == "unavailable");
        const StoreTraffic traffic = *rig.store->traffic();
        CHECK(traffic.writes == 1);
        CHECK(traffic.bytes_sent >= MiB);
        CHECK(traffic.bytes_sent < large.size());
    }
}

TEST_CASE("a create whose answer was lost is not a conflict with itself")
{
    S3Rig rig;
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
    S3Rig rig;
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
        S3Rig rig;
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
    S3Rig rig;
    rig.fail("GET", 100,
             [](const FakeRequest&, FakeConnection& c) { c.reply(200, std::string(1000, 'x')); });
    CHECK(error_name_of([&] { get(*rig.store, "x", 10); }) == "storage");
}

TEST_CASE("an object that is replaced while it is read is read again, all of it")
{
    S3Rig rig;
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
    S3Rig rig({}, options);
    rig.server.put("a/b/x", "here");
    rig.fail("GET", 1, [](const FakeRequest&, FakeConnection& c) {
        c.send(FakeConnection::head(206, 4, {{"Content-Range", "bytes 0-3/4"}}) + "he");
        c.await_close();
    });
    CHECK(text_of(get(rig.retrying, "x", 10)) == "here");
    CHECK(rig.failed == 1);
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
    S3Rig rig(manners, options);
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
        S3Rig rig(manners);
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
    S3Rig rig;
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
    S3Rig rig(manners);
    rig.store->create("x", seeded_bytes(1, 10), {});
    rig.store->create("y", seeded_bytes(1, 10), {});
    CHECK(rig.server.requests() == 3);
}

TEST_CASE("redirects in a circle end with the last region's name")
{
    S3Rig rig;
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
        S3Rig rig;
        rig.fail("GET", 100, [&](const FakeRequest&, FakeConnection& c) { c.reply(200, body); });
        CHECK(error_name_of([&] { keys_of(rig.retrying, ""); }) == "storage");
        CHECK(rig.failed <= 2);
    }
}

TEST_CASE("empty pages without end are an error, some of them are none")
{
    const auto page = [](int number, bool more) {
        return "<ListBucketResult>" +
               (number % 90 == 0 ? fmt::format("<Contents><Key>a/b/x{:03}</Key><Size>1</Size>"
                                               "</Contents>",
                                               number)
                                 : std::string()) +
               fmt::format("<IsTruncated>{}</IsTruncated><NextContinuationToken>t{}"
                           "</NextContinuationToken></ListBucketResult>",
                           more, number);
    };
    S3Rig rig;
    SUBCASE("some")
    {
        rig.fail("GET", 1000, [&](const FakeRequest&, FakeConnection& c) {
            c.reply(200, page(rig.failed, rig.failed < 200));
        });
        CHECK(keys_of(rig.retrying, "") == std::vector<std::string>{"x090", "x180"});
        CHECK(rig.failed == 200);
    }
    SUBCASE("without end")
    {
        rig.fail("GET", 1000, [&](const FakeRequest&, FakeConnection& c) {
            c.reply(200, page(rig.failed > 90 ? 1000 + rig.failed % 9 : rig.failed.load(), true));
        });
        const Error error = failure_of([&] { keys_of(rig.retrying, ""); });
        CHECK(error.code() == ErrorCode::storage);
        CHECK(error.subject() == "a/b/");
        CHECK(says(error, rig.server.uri()));
        CHECK(says(error, "100 empty pages"));
        CHECK(rig.failed == 190);
    }
}

TEST_CASE("a list of versions does not go on for ever with empty pages")
{
    S3Options options = options_for_fake();
    options.versions = S3VersionChoice::newest;
    S3Rig rig({}, options);
    rig.fail("GET", 1000, [&](const FakeRequest&, FakeConnection& c) {
        c.reply(200, fmt::format("<ListVersionsResult><IsTruncated>true</IsTruncated>"
                                 "<NextKeyMarker>k{}</NextKeyMarker></ListVersionsResult>",
                                 rig.failed.load()));
    });
    const Error error = failure_of([&] { keys_of(rig.retrying, ""); });
    CHECK(error.code() == ErrorCode::storage);
    CHECK(says(error, "100 empty pages"));
    CHECK(rig.failed == 100);
}

TEST_CASE("a list that is no list is an error")
{
    for (const std::string body : {"", "<html>Welcome</html>", "<ListBucketResult>"}) {
        CAPTURE(body);
        S3Rig rig;
        rig.fail("GET", 100, [&](const FakeRequest&, FakeConnection& c) { c.reply(200, body); });
        CHECK(error_name_of([&] { keys_of(rig.retrying, ""); }) == "storage");
    }
}
