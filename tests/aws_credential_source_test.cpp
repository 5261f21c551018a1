#include "store/aws_credential_source.hpp"

#include "base/error.hpp"

#include "support/fake_clock.hpp"
#include "support/fake_environment.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

using namespace backstay::core;

namespace
{

/// A container's service whose keys live for a while, and are numbered.
struct Service {
    Service()
    {
        options.environment =
            FakeEnvironment{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}}.get();
        options.clock = &clock;
        options.fetch = [this](const HttpRequest&, const std::stop_token& stop) {
            const int number = ++asked;
            if (before_reply) {
                before_reply(stop);
            }
            HttpReply reply;
            reply.status = status;
            reply.body = R"({"AccessKeyId":"K)" + std::to_string(number) +
                         R"(","SecretAccessKey":"S","Token":"T","Expiration":")" +
                         format_time({clock.now().seconds + life, 0}) + "\"}";
            return reply;
        };
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    FakeClock clock;
    std::atomic<int> asked{0};
    std::atomic<int> status{200};
    std::int64_t life = 3600;
    std::function<void(const std::stop_token&)> before_reply;
    AwsCredentialOptions options;
};

} // namespace

TEST_CASE("credentials are asked for again shortly before they expire, and not sooner")
{
    Service service;
    AwsCredentialSource source(service.options);
    CHECK(source.get({})->access_key == "K1");
    service.clock.advance(3299);
    CHECK(source.get({})->access_key == "K1");
    service.clock.advance(1);
    CHECK(source.get({})->access_key == "K2");

    Service hasty;
    hasty.life = 100;
    AwsCredentialSource short_lived(hasty.options);
    CHECK(short_lived.get({})->access_key == "K1");
    hasty.clock.advance(79);
    CHECK(short_lived.get({})->access_key == "K1");
    hasty.clock.advance(1);
    CHECK(short_lived.get({})->access_key == "K2");
}

TEST_CASE("a renewal that fails does no harm while the old ones are valid")
{
    Service service;
    AwsCredentialSource source(service.options);
    source.get({});
    service.status = 500;
    service.clock.advance(3400);
    CHECK(source.get({})->access_key == "K1");
    CHECK(source.get({})->access_key == "K1");
    CHECK(service.asked == 2); // not at every request
    service.clock.advance(60);
    CHECK(source.get({})->access_key == "K1");
    CHECK(service.asked == 3);
    service.clock.advance(140);
    CHECK_THROWS_AS(source.get({}), Error);
    service.status = 200;
    CHECK(source.get({})->access_key == "K5");
}

TEST_CASE("credentials that have expired already are not used")
{
    Service service;
    service.life = 0;
    AwsCredentialSource source(service.options);
    CHECK_THROWS_AS(source.get({}), Error);
}

TEST_CASE("rejected credentials are replaced once, however many requests they were rejected for")
{
    Service service;
    AwsCredentialSource source(service.options);
    const auto old = source.get({});
    source.reject(*old);
    source.reject(*old);
    CHECK(source.get({})->access_key == "K2");
    source.reject(*old); // late: these are not the current ones
    CHECK(source.get({})->access_key == "K2");
    CHECK(old->access_key == "K1"); // whoever signs with it goes on
}

TEST_CASE("many threads ask once")
{
    Service service;
    std::latch all(8);
    // Held until all have come, so that each but one has to wait.
    service.before_reply = [&](const std::stop_token&) { all.wait(); };
    AwsCredentialSource source(service.options);
    std::atomic<int> same{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&] {
                all.count_down();
                same += source.get({})->access_key == "K1" ? 1 : 0;
            });
        }
    }
    CHECK(same == 8);
    CHECK(service.asked == 1);
}

TEST_CASE("those who wait get the failure of the one who asked")
{
    Service service;
    service.status = 403;
    std::latch all(4);
    service.before_reply = [&](const std::stop_token&) {
        all.wait();
        std::this_thread::sleep_for(std::chrono::milliseconds(50)); // for the last to begin to wait
    };
    AwsCredentialSource source(service.options);
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                all.count_down();
                try {
                    source.get({});
                } catch (const Error& e) {
                    failed += e.code() == ErrorCode::denied ? 1 : 0;
                }
            });
        }
    }
    CHECK(failed == 4);
    CHECK(service.asked <= 4);
}

TEST_CASE("while one renews, the others go on with what is valid")
{
    Service service;
    AwsCredentialSource source(service.options);
    source.get({});
    service.clock.advance(3400);
    std::latch asked(1);
    std::latch go_on(1);
    service.before_reply = [&](const std::stop_token&) {
        asked.count_down();
        go_on.wait();
    };
    std::jthread renewer([&] { source.get({}); });
    asked.wait();
    CHECK(source.get({})->access_key == "K1");
    go_on.count_down();
    renewer.join();
    CHECK(source.get({})->access_key == "K2");
}

TEST_CASE("one who is stopped neither blocks nor fails the others")
{
    Service service;
    std::latch asked(1);
    std::latch waits(1);
    std::atomic<bool> first{true};
    service.before_reply = [&](const std::stop_token& stop) {
        if (!first.exchange(false)) {
            return;
        }
        asked.count_down();
        while (!stop.stop_requested()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        throw Error(ErrorCode::cancelled, "cancelled");
    };
    AwsCredentialSource source(service.options);
    std::atomic<bool> cancelled{false};
    std::jthread looker([&](const std::stop_token& stop) {
        try {
            source.get(stop);
        } catch (const Error& e) {
            cancelled = e.code() == ErrorCode::cancelled;
        }
    });
    asked.wait();
    std::stop_source impatient;
    impatient.request_stop();
    CHECK_THROWS_AS(source.get(impatient.get_token()), Error);
    std::string key;
    std::jthread other([&] {
        waits.count_down();
        key = source.get({})->access_key;
    });
    waits.wait();
    looker.request_stop();
    other.join();
    looker.join();
    CHECK(cancelled);
    CHECK(key == "K2");
}
