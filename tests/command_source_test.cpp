#include "source/stream_source.hpp"

#include "base/file.hpp"
#include "support/temp_dir.hpp"

#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <thread>

using namespace backstay::core;

namespace
{

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::unique_ptr<DataSource> command(std::vector<std::string> arguments)
{
    return make_command_source({"out", std::move(arguments)});
}

std::unique_ptr<DataSource> shell(const std::string& script)
{
    return command({"sh", "-c", script});
}

std::string read_to_end(DataSource& source)
{
    const auto entry = source.next(0);
    REQUIRE(entry);
    std::string all;
    Bytes buffer(10'000);
    while (true) {
        const std::size_t got = source.read(0, entry->item, all.size(), buffer);
        all.append(reinterpret_cast<const char*>(buffer.data()), got);
        if (got < buffer.size()) {
            return all;
        }
    }
}

struct Ran {
    std::string bytes;
    SourceVerdict verdict;
};

Ran run(DataSource& source)
{
    source.open(nullptr, {}, {});
    Ran ran;
    ran.bytes = read_to_end(source);
    ran.verdict = source.finish();
    source.settle(ran.verdict.kind == SourceVerdict::Kind::ok);
    return ran;
}

/// How long after a stop, which comes soon, the source has settled.
milliseconds time_to_stop(DataSource& source)
{
    std::stop_source stop;
    source.open(nullptr, {}, stop.get_token());
    steady_clock::time_point asked;
    std::thread other([&] {
        std::this_thread::sleep_for(milliseconds(100));
        asked = steady_clock::now();
        stop.request_stop();
    });
    const auto drain = [&source] {
        read_to_end(source);
        source.finish();
    };
    CHECK_THROWS_AS(drain(), Error);
    source.settle(false);
    const auto seen = steady_clock::now();
    other.join();
    return std::chrono::duration_cast<milliseconds>(seen - asked);
}

bool ends_soon(const std::string& pid_file)
{
    const pid_t pid = std::stoi(read_file(pid_file));
    for (int i = 0; i < 100; ++i) {
        // An orphan that nobody reaps here stays a zombie, which is dead enough.
        std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
        const std::string text{std::istreambuf_iterator<char>(status), {}};
        if (text.empty() || text.find(") Z") != std::string::npos) {
            return true;
        }
        std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
}

} // namespace

TEST_CASE("what a command writes is the file, and it may be run again")
{
    const auto source = shell("cat; printf 'a\\000b'; seq 1 5000 | wc -l");
    for (int again = 0; again < 2; ++again) {
        const Ran ran = run(*source);
        CHECK(ran.bytes == std::string("a\0b5000\n", 8));
        CHECK(ran.verdict.kind == SourceVerdict::Kind::ok);
    }
}

TEST_CASE("a command that fails says how and what it said last")
{
    const Ran ran = run(*shell("echo half; echo 'no such database' >&2; exit 7"));
    CHECK(ran.bytes == "half\n");
    CHECK(ran.verdict.kind == SourceVerdict::Kind::failed);
    CHECK(ran.verdict.message == "the command ended with status 7, saying: no such database");
    const Ran killed = run(*shell("echo half; kill -9 $$"));
    CHECK(killed.verdict.kind == SourceVerdict::Kind::failed);
    CHECK(killed.verdict.message == "the command was ended by signal 9");
}

TEST_CASE("a command that writes much to standard error neither blocks nor fills memory")
{
    const Ran ran = run(
        *shell("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo the end >&2; echo out; exit 1"));
    CHECK(ran.bytes == "out\n");
    CHECK(ran.verdict.message.size() < 5000);
    CHECK(ran.verdict.message.ends_with("the end"));
}

TEST_CASE("a command that succeeds is whole though it complains")
{
    CHECK(run(*shell("echo careful >&2; echo out")).verdict.kind == SourceVerdict::Kind::ok);
}

TEST_CASE("a child that writes to standard error for ever does not hold the verdict up")
{
    const TempDir temp;
    const auto begin = steady_clock::now();
    const Ran ran = run(*shell("yes >&2 & echo $! > '" + (temp / "pid") + "'; exec >&-; exit 3"));
    CHECK(ran.verdict.message.starts_with("the command ended with status 3"));
    CHECK(steady_clock::now() - begin < milliseconds(2000));
    ::kill(std::stoi(read_file(temp / "pid")), SIGKILL);
}

TEST_CASE("a program that is not there is an error at once")
{
    CHECK_THROWS_AS(command({}), Error);
    CHECK_THROWS_AS(command({""}), Error);
    const auto source = command({"/no/such/program"});
    CHECK_THROWS_WITH_AS(source->open(nullptr, {}, {}), doctest::Contains("cannot run"), Error);
}

TEST_CASE("a command that hangs is ended by a stop within 200 ms, with its children")
{
    const TempDir temp;
    CHECK(time_to_stop(*command({"sleep", "30"})) < milliseconds(200));
    const auto with_child = shell("sleep 30 & echo $! > '" + (temp / "pid") + "'; wait");
    CHECK(time_to_stop(*with_child) < milliseconds(200));
    CHECK(ends_soon(temp / "pid"));
}

TEST_CASE("a command that hangs after its output has ended is ended by a stop, too")
{
    CHECK(time_to_stop(*shell("exec >&-; sleep 30")) < milliseconds(250));
}

TEST_CASE("a command that does not heed the first signal is killed")
{
    const auto stubborn = shell("trap '' TERM; while :; do sleep 0.05; done");
    CHECK(time_to_stop(*stubborn) < milliseconds(4000));
}

TEST_CASE("a command whose output is not read to its end is ended, and is not whole")
{
    const auto source = command({"yes"});
    source->open(nullptr, {}, {});
    const auto entry = source->next(0);
    Bytes buffer(100);
    CHECK(source->read(0, entry->item, 0, buffer) == 100);
    CHECK(source->finish().kind == SourceVerdict::Kind::failed);
    source->settle(false);
    CHECK(::waitpid(-1, nullptr, WNOHANG) < 0); // nothing is left behind
}
