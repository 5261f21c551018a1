#include "repo/process_identity.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

/// A child that waits to be killed.
class Child
{
public:
    Child() : pid_(::fork())
    {
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::pause();
            ::_exit(0);
        }
    }
    ~Child() { end(); }
    std::uint64_t id() const { return static_cast<std::uint64_t>(pid_); }
    void end()
    {
        if (!ended_) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            ended_ = true;
        }
    }

private:
    pid_t pid_;
    bool ended_ = false;
};

} // namespace

TEST_CASE("a process that runs has not ended, and one that was killed has")
{
    Child child;
    const std::uint64_t start = process_start(child.id()).value();
    CHECK(start > 0);
    CHECK_FALSE(process_has_ended(child.id(), start));
    CHECK_FALSE(process_has_ended(child.id(), 0));
    child.end();
    CHECK(process_has_ended(child.id(), start));
    CHECK_FALSE(process_start(child.id()));
}

TEST_CASE("a process id that is used again is not taken for the process before")
{
    const auto self = static_cast<std::uint64_t>(::getpid());
    const std::uint64_t start = process_start(self).value();
    CHECK_FALSE(process_has_ended(self, start));
    CHECK(process_has_ended(self, start + 1));
}

TEST_CASE("a process id that no process can have says nothing")
{
    CHECK_FALSE(process_has_ended(0, 1));
    CHECK_FALSE(process_has_ended(UINT64_MAX, 1));
    CHECK_FALSE(process_start(UINT64_MAX));
}

TEST_CASE("host and boot have names that stay")
{
    CHECK_FALSE(host_name().empty());
    CHECK(host_name() == host_name());
    CHECK_FALSE(boot_id().empty());
    CHECK(boot_id() == boot_id());
}
