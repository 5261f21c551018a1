#pragma once

#include "store/retrying_store.hpp"
#include "store/s3_store.hpp"
#include "support/fake_clock.hpp"
#include "support/fake_environment.hpp"
#include "support/fake_s3.hpp"
#include "support/store_conformance.hpp"

#include <atomic>
#include <doctest/doctest.h>

namespace backstay::core
{

inline S3Options options_for_fake()
{
    S3Options options;
    options.credentials = AwsCredentials("key", "secret");
    options.environment = FakeEnvironment().get();
    return options;
}

/// Where an object of a few MiB is put together from parts.
inline S3Options options_for_small_parts()
{
    S3Options options = options_for_fake();
    options.largest_single_put = MiB;
    options.usual_part = MiB;
    return options;
}

inline FakeS3Manners small_parts()
{
    FakeS3Manners manners;
    manners.smallest_part = MiB;
    return manners;
}

/// A fake server, a store on it, and one around that which tries again without waiting.
struct S3Rig {
    explicit S3Rig(FakeS3Manners manners = {}, S3Options options = options_for_fake())
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

inline Error failure_of(const std::function<void()>& body)
{
    auto error = error_of(body);
    REQUIRE(error);
    return *error;
}

inline bool says(const Error& error, std::string_view text)
{
    return std::string_view(error.what()).find(text) != std::string_view::npos;
}

inline Bytes get(ObjectStore& store, const std::string& key, std::size_t size)
{
    Bytes bytes(size);
    bytes.resize(store.get(key, 0, bytes, {}));
    return bytes;
}

inline std::string text_of(const Bytes& bytes)
{
    return std::string(as_text(bytes));
}

} // namespace backstay::core
