#include "base/command_output.hpp"

#include "base/child_exit.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Until when and whether a program is waited for.
class Waiting
{
public:
    Waiting(std::string program, std::stop_token stop, std::optional<milliseconds> patience)
        : program_(std::move(program)), stop_(std::move(stop)), patience_(patience)
    {
    }

    const std::string& program() const { return program_; }
    const std::stop_token& stop() const { return stop_; }

    /// Milliseconds; empty: as long as it takes.
    std::optional<int> left() const
    {
        if (!patience_) {
            return std::nullopt;
        }
        const auto gone = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin_);
        return static_cast<int>(std::max(*patience_ - gone, milliseconds(0)).count());
    }

    /// Throws if it is not to be waited for any longer.
    void demand_time() const
    {
        if (stop_.stop_requested()) {
            throw Error(ErrorCode::cancelled, "cancelled", program_);
        }
        if (left() == 0) {
            throw Error(ErrorCode::source,
                        fmt::format("'{}' has not ended after {:g} seconds: run it by hand to "
                                    "see what it waits for",
                                    program_, std::chrono::duration<double>(*patience_).count()),
                        program_);
        }
    }

private:
    std::string program_;
    std::stop_token stop_;
    std::optional<milliseconds> patience_;
    steady_clock::time_point begin_ = steady_clock::now();
};

/// A spawned program; killed and reaped unless its end was waited for.
class Child
{
public:
    /// Whether it leads a group, of all that it starts.
    enum class Group { own, shared };

    Child(pid_t pid, Group group) : pid_(pid), group_(group) {}
    ~Child()
    {
        if (pid_ > 0) {
            ::kill(group_ == Group::own ? -pid_ : pid_, SIGKILL);
            reap(pid_);
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    /// What it ended with. Throws as Waiting::demand_time().
    int wait(const Waiting& waiting)
    {
        while (!wait_for_exit(pid_, waiting.stop(), waiting.left())) {
            waiting.demand_time();
        }
        return reap(std::exchange(pid_, -1));
    }

private:
    pid_t pid_;
    Group group_;
};

/// A program outside of the terminal's foreground group could not ask there for a password; inside
/// of it Ctrl-C reaches all.
Child::Group group_for_child()
{
    const FileDescriptor terminal(::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC));
    return terminal.get() < 0 ? Child::Group::own : Child::Group::shared;
}

class SpawnActions
{
public:
    SpawnActions() { posix_spawn_file_actions_init(&actions_); }
    ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    posix_spawn_file_actions_t* get() { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

class SpawnAttributes
{
public:
    explicit SpawnAttributes(Child::Group group)
    {
        posix_spawnattr_init(&attributes_);
        if (group == Child::Group::own) {
            posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP);
            posix_spawnattr_setpgroup(&attributes_, 0);
        }
    }
    ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
    SpawnAttributes(const SpawnAttributes&) = delete;
    SpawnAttributes& operator=(const SpawnAttributes&) = delete;
    posix_spawnattr_t* get() { return &attributes_; }

private:
    posix_spawnattr_t attributes_{};
};

pid_t spawn(const std::vector<std::string>& arguments, int output, Child::Group group)
{
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str())); // posix_spawn does not write to them
    }
    argv.push_back(nullptr);
    SpawnActions actions;
    posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(actions.get(), output, STDOUT_FILENO);
    SpawnAttributes attributes(group);
    pid_t pid = -1;
    if (const int failed =
            ::posix_spawnp(&pid, argv[0], actions.get(), attributes.get(), argv.data(), environ);
        failed != 0) {
        throw Error(
            ErrorCode::invalid,
            fmt::format("cannot run the command: {}", std::generic_category().message(failed)),
            arguments.front(), failed);
    }
    return pid;
}

/// Until there is something to read, or the end. Throws as Waiting::demand_time().
void wait_readable(int fd, const Waiting& waiting)
{
    constexpr int slice_ms = 50; // how late a stop may be seen
    pollfd descriptor{fd, POLLIN, 0};
    do {
        waiting.demand_time();
    } while (::poll(&descriptor, 1, slice_ms) <= 0);
}

Bytes read_all(int fd, std::size_t limit, const Waiting& waiting)
{
    Bytes out;
    std::array<std::uint8_t, 4096> buffer{};
    while (true) {
        wait_readable(fd, waiting);
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            throw_system_error(errno, "cannot read the command's output", waiting.program());
        }
        if (got == 0) {
            return out;
        }
        append(out, ByteSpan(buffer).first(static_cast<std::size_t>(got)));
        if (out.size() > limit) {
            throw Error(ErrorCode::invalid,
                        fmt::format("the command wrote more than {} bytes", limit),
                        waiting.program());
        }
    }
}

void demand_success(int status, const std::string& subject)
{
    if (WIFSIGNALED(status)) {
        throw Error(ErrorCode::source,
                    fmt::format("the command was ended by signal {}", WTERMSIG(status)), subject);
    }
    if (WEXITSTATUS(status) != 0) {
        throw Error(ErrorCode::source,
                    fmt::format("the command ended with status {}", WEXITSTATUS(status)), subject);
    }
}

} // namespace

std::vector<std::string> split_words(const std::string& text)
{
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = '\0';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool escapes = c == '\\' && quote != '\'' && i + 1 < text.size();
        if (escapes) {
            word += text[++i];
            in_word = true;
        } else if (quote != '\0') {
            if (c == quote) {
                quote = '\0';
            } else {
                word += c;
            }
        } else if (c == '\'' || c == '"') {
            quote = c;
            in_word = true;
        } else if (c == ' ' || c == '\t' || c == '\n') {
            if (in_word) {
                words.push_back(std::exchange(word, {}));
            }
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (quote != '\0') {
        throw Error(ErrorCode::invalid, fmt::format("a quote ({}) is not closed", quote), text);
    }
    if (in_word) {
        words.push_back(std::move(word));
    }
    return words;
}

Bytes run_for_output(const std::vector<std::string>& arguments, std::size_t limit,
                     const std::stop_token& stop, std::optional<milliseconds> patience)
{
    if (arguments.empty() || arguments.front().empty()) {
        throw Error(ErrorCode::invalid, "there is no command to run");
    }
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw_system_error(errno, "cannot make a pipe", arguments.front(), ErrorCode::internal);
    }
    const FileDescriptor reading(ends[0]);
    FileDescriptor writing(ends[1]);
    const Waiting waiting(arguments.front(), stop, patience);
    const Child::Group group = group_for_child();
    Child child(spawn(arguments, writing.get(), group), group);
    writing = FileDescriptor();
    Bytes output = read_all(reading.get(), limit, waiting);
    demand_success(child.wait(waiting), arguments.front());
    return output;
}

} // namespace backstay::core
