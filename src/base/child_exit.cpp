#include "base/child_exit.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sys/wait.h>
#include <thread>

namespace backstay::core
{

namespace
{

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds longest_nap{20};

bool has_ended(pid_t child)
{
    siginfo_t about{};
    const int result =
        ::waitid(P_PID, static_cast<id_t>(child), &about, WEXITED | WNOHANG | WNOWAIT);
    // A child that somebody else has reaped (a host that ignores SIGCHLD) has ended, too.
    return result == 0 ? about.si_pid == child : errno == ECHILD;
}

} // namespace

bool wait_for_exit(pid_t child, const std::stop_token& stop, std::optional<int> patience_ms)
{
    const auto begin = steady_clock::now();
    // Most end at once: short naps first.
    for (milliseconds nap{1}; !has_ended(child); nap = std::min(2 * nap, longest_nap)) {
        const bool too_late =
            patience_ms && steady_clock::now() - begin >= milliseconds(*patience_ms);
        if (stop.stop_requested() || too_late) {
            return false;
        }
        std::this_thread::sleep_for(nap);
    }
    return true;
}

int reap(pid_t child)
{
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return 0x7f00; // as a shell says that it knows no status: 127
        }
    }
    return status;
}

} // namespace backstay::core
