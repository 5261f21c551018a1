#include "store/s3_multipart.hpp"
#include "support/s3_rig.hpp"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <thread>

using namespace backstay::core;

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
    S3Rig rig(manners, options);
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
    S3Rig rig(small_parts(), options);
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
    S3Rig rig(small_parts(), options);
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
            S3Rig rig(small_parts(), options);
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

TEST_CASE("a large object is signed by the hash in its name, or by its own if that is another")
{
    S3Rig rig;
    const Bytes bytes = seeded_bytes(1, 2 * MiB);
    rig.store->create("packs/" + to_hex(sha256(bytes)), bytes, {});
    CHECK(rig.server.requests() == 1);
    rig.store->create("packs/" + std::string(64, 'a'), bytes, {});
    CHECK(rig.server.requests() == 3);
    CHECK(rig.server.objects().size() == 2);
}
