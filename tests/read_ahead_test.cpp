#include "base/read_ahead.hpp"

#include "base/error.hpp"
#include "support/seeded_bytes.hpp"

#include <algorithm>
#include <atomic>
#include <doctest/doctest.h>
#include <thread>

using namespace backstay::core;

namespace
{

/// Gives `bytes` in pieces of all sizes.
ReadAhead::Read pieces_of(const Bytes& bytes)
{
    return [&bytes, at = std::size_t{0}, piece = std::size_t{0}]() mutable {
        piece = piece * 7 % 100'003 + 1;
        const ByteSpan next = ByteSpan(bytes).subspan(at, std::min(piece, bytes.size() - at));
        at += next.size();
        return next;
    };
}

Bytes all_of(ReadAhead& ahead)
{
    Bytes all;
    for (ByteSpan bytes = ahead.next(); !bytes.empty(); bytes = ahead.next()) {
        all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return all;
}

} // namespace

TEST_CASE("what is read ahead comes in order and whole")
{
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{256 * KiB}, std::size_t{9 * MiB + 5}}) {
        const Bytes bytes = seeded_bytes(size + 1, size);
        ReadAhead ahead(pieces_of(bytes));
        CHECK(all_of(ahead) == bytes);
        CHECK(ahead.next().empty());
    }
}

TEST_CASE("no more is read ahead than its limit")
{
    const Bytes piece(256 * KiB, 1);
    std::atomic<int> calls{0};
    ReadAhead ahead([&] {
        ++calls;
        return ByteSpan(piece);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK(calls <= 9); // eight blocks, and the one that waits for room
}

TEST_CASE("what the reading throws comes out, and not an end")
{
    const Bytes piece(1000, 1);
    ReadAhead ahead([&, calls = 0]() mutable -> ByteSpan {
        if (++calls == 3) {
            throw Error(ErrorCode::source, "the test's fault");
        }
        return piece;
    });
    CHECK_THROWS_AS(all_of(ahead), Error);
}

TEST_CASE("a stop is no end of the stream")
{
    std::stop_source stop;
    const Bytes piece(256 * KiB, 1);
    ReadAhead ahead(
        [&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            return ByteSpan(piece);
        },
        stop.get_token());
    CHECK_FALSE(ahead.next().empty());
    stop.request_stop();
    CHECK_THROWS_AS(all_of(ahead), Error);
}
