#include "base/child_process.hpp"

#include "base/error.hpp"

#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <functional>
#include <thread>

using namespace backstay::core;

namespace
{

using std::chrono::milliseconds;
using std::chrono::steady_clock;

ChildCommand shell(const std::string& script, ChildCommand::Input input = ChildCommand::Input::none)
{
    return {{"sh", "-c", script}, {}, input};
}

std::string text(const Bytes& bytes)
{
    return std::string(as_text(bytes));
}

} // namespace

TEST_CASE("what goes into a command comes out of it")
{
    ChildProcess process(shell("cat", ChildCommand::Input::pipe));
    Bytes output;
    const Bytes input(3 * MiB, 'x');
    std::thread reader([&] { output = process.read_all(4 * MiB, {}); });
    CHECK(process.write(input, {}));
    process.close_input();
    reader.join();
    CHECK(output == input);
    CHECK(process.wait({}).good);
}

TEST_CASE("a command that reads no more ends the writing, and no signal comes")
{
    ChildProcess process(shell("exec 0<&-; echo no more >&2; exit 3", ChildCommand::Input::pipe));
    const Bytes piece(1 * MiB, 'x');
    while (process.write(piece, {})) {
    }
    const ChildProcess::Exit exit = process.wait({});
    CHECK_FALSE(exit.good);
    CHECK(exit.message == "ended with status 3, saying: no more");
}

TEST_CASE("a command's environment is ours but for what is changed")
{
    ChildProcess process({{"sh", "-c", "printf '%s|%s' \"$BACKSTAY_TEST_X\" \"$HOME\""},
                          {"BACKSTAY_TEST_X=a=b", "HOME=/elsewhere"}});
    CHECK(text(process.read_all(100, {})) == "a=b|/elsewhere");
}

TEST_CASE("a command that says nothing for too long is an error")
{
    ChildProcess process(shell("sleep 60"));
    Bytes buffer(10);
    const auto begin = steady_clock::now();
    CHECK_THROWS_AS(process.read(buffer, {}, 1), Error);
    CHECK(steady_clock::now() - begin < milliseconds(5000));
}

TEST_CASE("output beyond the limit is an error")
{
    ChildProcess process(shell("head -c 100000 /dev/zero"));
    CHECK_THROWS_AS(process.read_all(99'999, {}), Error);
}

TEST_CASE("a stop is seen while a command is read, written and waited for")
{
    std::stop_source stop;
    stop.request_stop();
    ChildProcess process(shell("sleep 60", ChildCommand::Input::pipe));
    Bytes buffer(10);
    for (const auto& wait : std::vector<std::function<void()>>{
             [&] { process.read(buffer, stop.get_token()); },
             [&] { process.write(buffer, stop.get_token()); },
             [&] { process.wait(stop.get_token()); },
         }) {
        try {
            wait();
            FAIL("nothing was thrown");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::cancelled);
        }
    }
}

TEST_CASE("a command that is not waited for is ended, with what it started")
{
    pid_t grandchild = 0;
    {
        ChildProcess process(shell("sleep 1000 & echo $!; wait"));
        std::string line;
        std::uint8_t byte = 0;
        while (process.read({&byte, 1}, {}) == 1 && byte != '\n') {
            line += static_cast<char>(byte);
        }
        grandchild = std::stoi(line);
        CHECK(::kill(grandchild, 0) == 0);
    }
    // Somebody else reaps it.
    for (int look = 0; look < 100 && ::kill(grandchild, 0) == 0; ++look) {
        std::this_thread::sleep_for(milliseconds(20));
    }
    CHECK(::kill(grandchild, 0) != 0);
}

TEST_CASE("a program that is not there is an error that names it")
{
    try {
        ChildProcess process({{"backstay-no-such-program"}, {}});
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::not_found);
        CHECK(error.subject() == "backstay-no-such-program");
    }
}
