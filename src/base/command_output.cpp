#include "base/command_output.hpp"

#include "base/child_exit.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

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

/// A spawned program; killed and reaped unless its end was waited for.
class Child
{
public:
    explicit Child(pid_t pid) : pid_(pid) {}
    ~Child()
    {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            reap(pid_);
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    /// What it ended with. Throws Error{cancelled}.
    int wait(const std::string& subject, const std::stop_token& stop)
    {
        if (!wait_for_exit(pid_, stop)) {
            throw Error(ErrorCode::cancelled, "cancelled", subject);
        }
        return reap(std::exchange(pid_, -1));
    }

private:
    pid_t pid_;
};

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

pid_t spawn(const std::vector<std::string>& arguments, int output)
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
    pid_t pid = -1;
    if (const int failed =
            ::posix_spawnp(&pid, argv[0], actions.get(), nullptr, argv.data(), environ);
        failed != 0) {
        throw Error(
            ErrorCode::invalid,
            fmt::format("cannot run the command: {}", std::generic_category().message(failed)),
            arguments.front(), failed);
    }
    return pid;
}

/// Whether there is something to read (or the end) now.
bool wait_readable(int fd, const std::stop_token& stop)
{
    constexpr int slice_ms = 50; // how late a stop may be seen
    pollfd descriptor{fd, POLLIN, 0};
    while (!stop.stop_requested()) {
        if (::poll(&descriptor, 1, slice_ms) > 0) {
            return true;
        }
    }
    return false;
}

Bytes read_all(int fd, std::size_t limit, const std::string& subject, const std::stop_token& stop)
{
    Bytes out;
    std::array<std::uint8_t, 4096> buffer{};
    while (true) {
        if (!wait_readable(fd, stop)) {
            throw Error(ErrorCode::cancelled, "cancelled", subject);
        }
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            throw_system_error(errno, "cannot read the command's output", subject);
        }
        if (got == 0) {
            return out;
        }
        append(out, ByteSpan(buffer).first(static_cast<std::size_t>(got)));
        if (out.size() > limit) {
            throw Error(ErrorCode::invalid,
                        fmt::format("the command wrote more than {} bytes", limit), subject);
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
                     const std::stop_token& stop)
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
    Child child(spawn(arguments, writing.get()));
    writing = FileDescriptor();
    Bytes output = read_all(reading.get(), limit, arguments.front(), stop);
    demand_success(child.wait(arguments.front(), stop), arguments.front());
    return output;
}

} // namespace backstay::core
