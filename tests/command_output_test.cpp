#include "base/command_output.hpp"

#include "base/error.hpp"

#include <array>
#include <chrono>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <thread>
#include <unistd.h>

using namespace backstay::core;

namespace
{

using Words = std::vector<std::string>;
using std::chrono::milliseconds;

Words shell(const std::string& script)
{
    return {"sh", "-c", script};
}

std::string output_of(const Words& arguments, std::size_t limit = 1000)
{
    const Bytes out = run_for_output(arguments, limit, {});
    return {out.begin(), out.end()};
}

ErrorCode failure_of(const Words& arguments, std::size_t limit = 1000)
{
    try {
        run_for_output(arguments, limit, {});
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("nothing failed");
    return ErrorCode::internal;
}

/// How long it takes to see a stop that comes after a tenth of a second.
milliseconds time_to_stop(const Words& arguments)
{
    std::stop_source stop;
    std::chrono::steady_clock::time_point asked;
    std::thread other([&] {
        std::this_thread::sleep_for(milliseconds(100));
        asked = std::chrono::steady_clock::now();
        stop.request_stop();
    });
    try {
        run_for_output(arguments, 1000, stop.get_token());
        FAIL_CHECK("it ended by itself");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::cancelled);
    }
    const auto seen = std::chrono::steady_clock::now();
    other.join();
    return std::chrono::duration_cast<milliseconds>(seen - asked);
}

} // namespace

TEST_CASE("words are split as a shell does, and nothing is expanded")
{
    CHECK(split_words("") == Words{});
    CHECK(split_words("  \t\n ") == Words{});
    CHECK(split_words("a  b\tc\n") == Words{"a", "b", "c"});
    CHECK(split_words("'a b' \"c d\"") == Words{"a b", "c d"});
    CHECK(split_words("a'b c'd") == Words{"ab cd"});
    CHECK(split_words("'' \"\"") == Words{"", ""});
    CHECK(split_words("a\\ b '\\n' \"\\\"\"") == Words{"a b", "\\n", "\""});
    CHECK(split_words("$HOME `x` *") == Words{"$HOME", "`x`", "*"});
    CHECK(split_words("end\\") == Words{"end\\"});
}

TEST_CASE("a quote that is not closed is refused")
{
    for (const char* bad : {"'", "a 'b", "\"x", "\"x'", "'a\\'"}) {
        CAPTURE(bad);
        if (std::string(bad) == "'a\\'") {
            CHECK(split_words(bad) == Words{"a\\"});
        } else {
            CHECK_THROWS_AS(split_words(bad), Error);
        }
    }
}

TEST_CASE("a command's output comes byte for byte, and its input is empty")
{
    CHECK(output_of(shell("printf 'a\\000b\\n'")) == std::string("a\0b\n", 4));
    CHECK(output_of(shell("cat")).empty());
    CHECK(output_of({"printf", "%s|", "a b", "$c"}) == "a b|$c|");
}

TEST_CASE("a command that fails says how")
{
    CHECK(failure_of(shell("echo out; exit 3")) == ErrorCode::source);
    CHECK(failure_of(shell("kill -9 $$")) == ErrorCode::source);
    CHECK(failure_of({"/no/such/program"}) == ErrorCode::invalid);
    CHECK(failure_of({}) == ErrorCode::invalid);
    CHECK(failure_of({""}) == ErrorCode::invalid);
    CHECK_THROWS_WITH_AS(output_of(shell("exit 3")), doctest::Contains("status 3"), Error);
    CHECK_THROWS_WITH_AS(output_of(shell("kill -9 $$")), doctest::Contains("signal 9"), Error);
}

TEST_CASE("a command that writes more than it may is ended")
{
    CHECK(output_of(shell("printf 12345"), 5) == "12345");
    CHECK(failure_of(shell("printf 123456"), 5) == ErrorCode::invalid);
    CHECK(failure_of({"yes"}, 100'000) == ErrorCode::invalid);
}

TEST_CASE("a command that hangs is ended by a stop within 200 ms")
{
    CHECK(time_to_stop({"sleep", "30"}) < milliseconds(200));
    // One that has closed its output, too.
    CHECK(time_to_stop(shell("exec >&-; exec sleep 30")) < milliseconds(200));
    CHECK(time_to_stop(shell("trap '' TERM; exec >&-; sleep 2 & wait")) < milliseconds(200));
}

TEST_CASE("a command that takes too long is ended")
{
    CHECK(run_for_output(shell("echo x"), 10, {}, milliseconds(5000)).size() == 2);
    for (const char* script : {"sleep 30", "trap '' TERM; exec >&-; sleep 2 & wait", "yes ''"}) {
        CAPTURE(script);
        const auto begin = std::chrono::steady_clock::now();
        CHECK_THROWS_WITH_AS(run_for_output(shell(script), 1 << 30, {}, milliseconds(100)),
                             doctest::Contains("'sh' has not ended after 0.1 seconds"), Error);
        CHECK(std::chrono::steady_clock::now() - begin < milliseconds(1000));
    }
}

TEST_CASE("what an ended command has started ends with it")
{
    if (const int terminal = ::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC); terminal >= 0) {
        ::close(terminal);
        return; // there it may ask for a password
    }
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0); // which all of them hold
    ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    const Words command = shell("trap '' TERM INT; sleep 5 & sleep 5");
    CHECK_THROWS_AS(run_for_output(command, 10, {}, milliseconds(100)), Error);
    ::close(ends[1]);
    pollfd reading{ends[0], POLLIN, 0};
    CHECK(::poll(&reading, 1, 200) == 1);
    ::close(ends[0]);
}
