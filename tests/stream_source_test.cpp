#include "source/stream_source.hpp"

#include "base/file.hpp"
#include "support/seeded_bytes.hpp"

#include <array>
#include <chrono>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

using namespace backstay::core;

namespace
{

using std::chrono::milliseconds;

struct Pipe {
    Pipe()
    {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        reading = FileDescriptor(ends[0]);
        writing = FileDescriptor(ends[1]);
    }
    FileDescriptor reading;
    FileDescriptor writing;
};

Bytes read_to_end(DataSource& source, std::uint64_t item, std::size_t step)
{
    Bytes all;
    Bytes buffer(step);
    while (true) {
        const std::size_t got = source.read(0, item, all.size(), buffer);
        all.insert(all.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got));
        if (got < step) {
            return all;
        }
    }
}

} // namespace

TEST_CASE("a stream is one file with all the bytes that come, however they come")
{
    Pipe pipe;
    const Bytes bytes = seeded_bytes(1, 300'000);
    std::thread writer([&] {
        std::size_t done = 0;
        for (std::size_t step = 1; done < bytes.size(); step = step * 3 + 1) {
            const std::size_t size = std::min(step, bytes.size() - done);
            const ssize_t put = ::write(pipe.writing.get(), bytes.data() + done, size);
            done += put > 0 ? static_cast<std::size_t>(put) : 0;
        }
        pipe.writing = FileDescriptor();
    });
    const auto source = make_stream_source(pipe.reading.get(), "dump/today.sql");
    CHECK(source->open(nullptr, {}, {}).lanes == 1);
    const auto entry = source->next(0);
    REQUIRE(entry);
    CHECK(entry->entry.path == "dump/today.sql");
    CHECK(entry->entry.kind == EntryKind::file);
    CHECK(entry->sequential);
    CHECK(entry->entry.change_token.empty());
    CHECK(read_to_end(*source, entry->item, 70'000) == bytes);
    CHECK_FALSE(source->next(0));
    writer.join();
    CHECK(source->finish().kind == SourceVerdict::Kind::ok);
    source->settle(true);
    CHECK(::fcntl(pipe.reading.get(), F_GETFD) >= 0); // borrowed
}

TEST_CASE("an empty stream is an empty file")
{
    Pipe pipe;
    pipe.writing = FileDescriptor();
    const auto source = make_stream_source(pipe.reading.get(), "nothing");
    source->open(nullptr, {}, {});
    CHECK(read_to_end(*source, source->next(0)->item, 100).empty());
    CHECK(source->finish().kind == SourceVerdict::Kind::ok);
    source->settle(true);
}

TEST_CASE("a stream that was not read to its end is not whole")
{
    Pipe pipe;
    REQUIRE(::write(pipe.writing.get(), "some", 4) == 4);
    const auto source = make_stream_source(pipe.reading.get(), "name");
    source->open(nullptr, {}, {});
    const auto entry = source->next(0);
    Bytes buffer(2);
    CHECK(source->read(0, entry->item, 0, buffer) == 2);
    CHECK(source->finish().kind == SourceVerdict::Kind::failed);
    source->settle(false);
    SUBCASE("and what is left of it is not taken for the whole the next time")
    {
        CHECK_THROWS_AS(source->open(nullptr, {}, {}), Error);
    }
}

TEST_CASE("a descriptor that waits for nobody is waited for all the same")
{
    Pipe pipe;
    REQUIRE(::fcntl(pipe.reading.get(), F_SETFL, O_NONBLOCK) == 0);
    std::thread writer([&] {
        std::this_thread::sleep_for(milliseconds(50));
        CHECK(::write(pipe.writing.get(), "late", 4) == 4);
        pipe.writing = FileDescriptor();
    });
    const auto source = make_stream_source(pipe.reading.get(), "name");
    source->open(nullptr, {}, {});
    CHECK(read_to_end(*source, source->next(0)->item, 100) == Bytes{'l', 'a', 't', 'e'});
    writer.join();
    source->settle(true);
}

TEST_CASE("a descriptor that cannot be read is an error that names the stream")
{
    const auto source = make_stream_source(1'000'000, "name");
    source->open(nullptr, {}, {});
    const auto entry = source->next(0);
    Bytes buffer(10);
    try {
        source->read(0, entry->item, 0, buffer);
        FAIL("it was read");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::source);
        CHECK(error.subject() == "name");
    }
    source->settle(false);
}

TEST_CASE("a stop ends the wait for a stream within 200 ms")
{
    Pipe pipe;
    std::stop_source stop;
    const auto source = make_stream_source(pipe.reading.get(), "name");
    source->open(nullptr, {}, stop.get_token());
    const auto entry = source->next(0);
    std::chrono::steady_clock::time_point asked;
    std::thread other([&] {
        std::this_thread::sleep_for(milliseconds(50));
        asked = std::chrono::steady_clock::now();
        stop.request_stop();
    });
    Bytes buffer(10);
    CHECK_THROWS_AS(source->read(0, entry->item, 0, buffer), Error);
    const auto seen = std::chrono::steady_clock::now();
    other.join();
    CHECK(seen - asked < milliseconds(200));
    source->settle(false);
}

TEST_CASE("a name that would lead out of the snapshot is refused")
{
    for (const char* bad : {"", "/absolute", "..", "a/../b", "a//b", "a/", "."}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(make_stream_source(0, bad), Error);
        CHECK_THROWS_AS(make_command_source({bad, {"true"}}), Error);
    }
}
