#include "target/stream_target.hpp"

#include "support/fake_view.hpp"
#include "support/temp_dir.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

using namespace backstay::core;

namespace
{

struct Pipe {
    Pipe()
    {
        std::array<int, 2> ends{};
        REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
        read_end = ends[0];
        write_end = ends[1];
    }
    ~Pipe()
    {
        close_reader();
        close_writer();
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    void close_reader()
    {
        if (read_end >= 0) {
            close(std::exchange(read_end, -1));
        }
    }
    void close_writer()
    {
        if (write_end >= 0) {
            close(std::exchange(write_end, -1));
        }
    }
    std::string read_all() const
    {
        std::string bytes;
        std::array<char, 65536> buffer{};
        ssize_t size = 0;
        while ((size = read(read_end, buffer.data(), buffer.size())) > 0) {
            bytes.append(buffer.data(), static_cast<std::size_t>(size));
        }
        return bytes;
    }
    int read_end = -1;
    int write_end = -1;
};

std::string long_bytes(std::size_t size)
{
    std::string bytes(size, '\0');
    for (std::size_t at = 0; at < size; ++at) {
        bytes[at] = static_cast<char>(at * 7919 >> 8U);
    }
    return bytes;
}

ErrorCode code_of(Target& target, SnapshotView& view, const std::stop_token& stop = {})
{
    try {
        target.run(view, {}, stop);
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode{};
}

} // namespace

TEST_CASE("a stream comes out of a pipe as it went in, holes as zeros")
{
    const std::string head = long_bytes(3'000'001);
    FakeView view;
    Entry entry;
    entry.path = "dump";
    view.add_sparse(entry, 5'000'000, {{0, head}, {4'000'000, "middle"}});
    std::string wanted = head + std::string(2'000'000 - 1, '\0');
    wanted.replace(4'000'000, 6, "middle");
    Pipe pipe;
    std::string got;
    std::thread reader([&] { got = pipe.read_all(); });
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    TargetEvents events;
    events.progress = [&](std::uint64_t e, std::uint64_t b, std::uint64_t) {
        entries += e;
        bytes += b;
    };
    make_stream_target(pipe.write_end)->run(view, events, {});
    pipe.close_writer();
    reader.join();
    CHECK(got.size() == wanted.size());
    CHECK((got == wanted));
    CHECK(entries == 1);
    CHECK(bytes == head.size() + 6);
}

TEST_CASE("a view that is a file is its stream, and an empty one is no bytes")
{
    const TempDir dir;
    for (const std::string content : {"", "content"}) {
        FakeView view;
        view.add(Entry{}, content);
        const int fd = open((dir / "out").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        make_stream_target(fd)->run(view, {}, {});
        close(fd);
        CHECK(read_file(dir / "out") == content);
    }
}

TEST_CASE("none or two streams are refused, and one of them is named")
{
    const TempDir dir;
    const int fd = open((dir / "out").c_str(), O_RDWR | O_CREAT, 0600);
    const auto target = make_stream_target(fd);
    FakeView view;
    view.add_folder("folder");
    CHECK(code_of(*target, view) == ErrorCode::invalid);
    view.add_file("folder/one", "1");
    CHECK(code_of(*target, view) == ErrorCode{});
    view.add_file("folder/two", "2");
    CHECK(code_of(*target, view) == ErrorCode::invalid);
    close(fd);
    CHECK(read_file(dir / "out") == "1");
}

TEST_CASE("a reader that goes away is an error and no signal")
{
    FakeView view;
    view.add_file("dump", long_bytes(1'000'000));
    Pipe pipe;
    pipe.close_reader();
    std::signal(SIGPIPE, SIG_DFL); // a signal would end this test
    CHECK(code_of(*make_stream_target(pipe.write_end), view) == ErrorCode::target);
}

TEST_CASE("a reader that does not read does not keep a stop from being seen")
{
    FakeView view;
    view.add_file("dump", long_bytes(1'000'000));
    for (const int flags : {0, O_NONBLOCK}) {
        Pipe pipe;
        fcntl(pipe.write_end, F_SETFL, flags);
        std::stop_source stop;
        std::thread stopper([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(150));
            stop.request_stop();
        });
        CHECK(code_of(*make_stream_target(pipe.write_end), view, stop.get_token()) ==
              ErrorCode::cancelled);
        stopper.join();
    }
}

TEST_CASE("damage ends a stream before a false byte is written")
{
    const TempDir dir;
    const std::string bytes = long_bytes(3'000'000);
    FakeView view;
    view.add_file("dump", bytes);
    view.damage_stream("dump", 2'500'000);
    const int fd = open((dir / "out").c_str(), O_RDWR | O_CREAT, 0600);
    CHECK(code_of(*make_stream_target(fd), view) == ErrorCode::damaged);
    close(fd);
    const std::string got = read_file(dir / "out");
    CHECK(got.size() <= 2'500'000);
    CHECK((got == bytes.substr(0, got.size())));
}

TEST_CASE("verifying a stream reads the file again, and says so where it cannot")
{
    const TempDir dir;
    FakeView view;
    view.add_file("dump", long_bytes(2'000'000));
    std::vector<RestoreProblem> problems;
    TargetEvents events;
    events.problem = [&](RestoreProblem problem) { problems.push_back(std::move(problem)); };

    const int fd = open((dir / "out").c_str(), O_RDWR | O_CREAT, 0600);
    const auto target = make_stream_target(fd);
    target->run(view, events, {});
    target->verify(view, events, {});
    CHECK(problems.empty());
    REQUIRE(pwrite(fd, "x", 1, 1'999'999) == 1);
    target->verify(view, events, {});
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].code == ErrorCode::target);
    close(fd);

    Pipe pipe;
    make_stream_target(pipe.write_end)->verify(view, events, {});
    REQUIRE(problems.size() == 2);
    CHECK(problems[1].code == ErrorCode::unsupported);
}
