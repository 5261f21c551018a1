#include "base/child_process.hpp"

#include "base/child_exit.hpp"
#include "base/error.hpp"
#include "base/thread.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fmt/core.h>
#include <mutex>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t kept_of_standard_error = 4096; ///< the end, which says why
constexpr std::size_t most_after_the_end = 65536;    ///< as much as a pipe holds
constexpr int look_around_ms = 50;                   ///< how late a stop may be seen
constexpr int patience_ms = 2000;                    ///< between asking to end and killing

struct Pipe {
    FileDescriptor reading;
    FileDescriptor writing;
};

Pipe make_pipe(const std::string& subject)
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw_system_error(errno, "cannot make a pipe", subject, ErrorCode::source);
    }
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

/// A socket: to write to one that nobody reads raises no signal, if asked not to.
Pipe make_input(const std::string& subject)
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        throw_system_error(errno, "cannot make a socket", subject, ErrorCode::source);
    }
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

/// What posix_spawn is told: a process group of its own, default signals, none blocked.
class SpawnSettings
{
public:
    SpawnSettings()
    {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
        sigset_t all;
        sigset_t none;
        sigfillset(&all);
        sigemptyset(&none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setpgroup(&attributes_, 0);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                   POSIX_SPAWN_SETPGROUP);
    }
    ~SpawnSettings()
    {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    posix_spawn_file_actions_t* actions() { return &actions_; }
    const posix_spawnattr_t* attributes() const { return &attributes_; }

private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

/// For functions that take `char* const[]` and do not write to it.
std::vector<char*> pointers_to(const std::vector<std::string>& texts)
{
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const std::string& text : texts) {
        pointers.push_back(const_cast<char*>(text.c_str()));
    }
    pointers.push_back(nullptr);
    return pointers;
}

std::string_view variable_name(std::string_view setting)
{
    return setting.substr(0, setting.find('='));
}

/// This process's own, but for what `changes` sets.
std::vector<std::string> environment_with(const std::vector<std::string>& changes)
{
    std::vector<std::string> all = changes;
    for (char** own = environ; *own != nullptr; ++own) {
        const bool changed = std::any_of(changes.begin(), changes.end(), [own](const auto& change) {
            return variable_name(change) == variable_name(*own);
        });
        if (!changed) {
            all.emplace_back(*own);
        }
    }
    return all;
}

} // namespace

/// Drains standard error on a thread of its own and keeps its end. Thread-safe.
class ChildProcess::ErrorTail
{
public:
    explicit ErrorTail(FileDescriptor from)
        : from_(std::move(from)), thread_("backstay-stderr", [this] { drain(); })
    {
    }
    ~ErrorTail() { join(); }
    ErrorTail(const ErrorTail&) = delete;
    ErrorTail& operator=(const ErrorTail&) = delete;
    /// Takes what is there and waits for no more: a child of the command may keep it open for ever.
    void join()
    {
        ended_ = true;
        thread_.join();
    }
    std::string text() const
    {
        const std::lock_guard lock(mutex_);
        std::string text = kept_;
        while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
            text.pop_back();
        }
        return text;
    }

private:
    void drain()
    {
        std::array<char, 4096> buffer{};
        pollfd waiting{from_.get(), POLLIN, 0};
        // What its children write after its end may never cease.
        for (std::size_t late = 0; late < most_after_the_end;) {
            if (::poll(&waiting, 1, look_around_ms) <= 0) {
                if (ended_) {
                    return;
                }
                continue;
            }
            const ssize_t got = ::read(from_.get(), buffer.data(), buffer.size());
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got <= 0) {
                return;
            }
            late += ended_ ? static_cast<std::size_t>(got) : 0;
            const std::lock_guard lock(mutex_);
            kept_.append(buffer.data(), static_cast<std::size_t>(got));
            if (kept_.size() > kept_of_standard_error) {
                kept_.erase(0, kept_.size() - kept_of_standard_error);
            }
        }
    }

    FileDescriptor from_;
    std::atomic<bool> ended_{false};
    mutable std::mutex mutex_; // guards kept_
    std::string kept_;
    Thread thread_;
};

ChildProcess::ChildProcess(const ChildCommand& command) : name_(command.arguments.front())
{
    const bool takes_input = command.input == ChildCommand::Input::pipe;
    Pipe input = takes_input ? make_input(name_) : Pipe{};
    Pipe output = make_pipe(name_);
    Pipe errors = make_pipe(name_);
    SpawnSettings settings;
    if (takes_input) {
        posix_spawn_file_actions_adddup2(settings.actions(), input.reading.get(), STDIN_FILENO);
    } else {
        posix_spawn_file_actions_addopen(settings.actions(), STDIN_FILENO, "/dev/null", O_RDONLY,
                                         0);
    }
    posix_spawn_file_actions_adddup2(settings.actions(), output.writing.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(settings.actions(), errors.writing.get(), STDERR_FILENO);
    const std::vector<char*> arguments = pointers_to(command.arguments);
    const std::vector<std::string> variables = environment_with(command.environment);
    const std::vector<char*> environment = pointers_to(variables);
    if (const int failed =
            ::posix_spawnp(&process_, arguments[0], settings.actions(), settings.attributes(),
                           arguments.data(), environment.data());
        failed != 0) {
        process_ = -1;
        throw_system_error(failed, "cannot run the command", name_, ErrorCode::source);
    }
    input_ = std::move(input.writing);
    output_ = std::move(output.reading);
    errors_ = std::make_unique<ErrorTail>(std::move(errors.reading));
}

ChildProcess::~ChildProcess()
{
    end();
}

std::size_t ChildProcess::read(MutableByteSpan buffer, const std::stop_token& stop,
                               unsigned patience_s)
{
    using std::chrono::steady_clock;
    auto last = steady_clock::now();
    std::size_t done = 0;
    pollfd waiting{output_.get(), POLLIN, 0};
    while (done < buffer.size()) {
        if (stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, "cancelled", name_);
        }
        if (::poll(&waiting, 1, look_around_ms) <= 0) {
            if (patience_s > 0 && steady_clock::now() - last > std::chrono::seconds(patience_s)) {
                throw Error(ErrorCode::source,
                            fmt::format("wrote nothing for {} seconds", patience_s), name_);
            }
            continue;
        }
        const ssize_t got = ::read(output_.get(), buffer.data() + done, buffer.size() - done);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got < 0) {
            throw_system_error(errno, "cannot read the command's output", name_, ErrorCode::source);
        }
        if (got == 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
        last = steady_clock::now();
    }
    return done;
}

Bytes ChildProcess::read_all(std::size_t limit, const std::stop_token& stop, unsigned patience_s)
{
    Bytes all;
    Bytes buffer(64 * KiB);
    while (true) {
        const std::size_t got = read(buffer, stop, patience_s);
        append(all, ByteSpan(buffer).first(got));
        if (all.size() > limit) {
            throw Error(ErrorCode::source,
                        fmt::format("the command wrote more than {} bytes", limit), name_);
        }
        if (got < buffer.size()) {
            return all;
        }
    }
}

bool ChildProcess::write(ByteSpan bytes, const std::stop_token& stop)
{
    pollfd waiting{input_.get(), POLLOUT, 0};
    while (!bytes.empty()) {
        if (stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, "cancelled", name_);
        }
        if (::poll(&waiting, 1, look_around_ms) <= 0) {
            continue;
        }
        const ssize_t sent =
            ::send(input_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (sent < 0) {
            return false;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
}

void ChildProcess::close_input()
{
    input_ = FileDescriptor();
}

ChildProcess::Exit ChildProcess::wait(const std::stop_token& stop)
{
    if (!wait_for_exit(process_, stop)) {
        throw Error(ErrorCode::cancelled, "cancelled", name_);
    }
    const int status = reap(std::exchange(process_, -1));
    errors_->join();
    Exit exit;
    exit.good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!exit.good) {
        exit.message = WIFSIGNALED(status)
                           ? fmt::format("was ended by signal {}", WTERMSIG(status))
                           : fmt::format("ended with status {}", WEXITSTATUS(status));
        if (const std::string tail = errors_->text(); !tail.empty()) {
            exit.message += fmt::format(", saying: {}", tail);
        }
    }
    return exit;
}

void ChildProcess::ask_to_end() noexcept
{
    input_ = FileDescriptor();
    output_ = FileDescriptor();
    if (process_ > 0) {
        ::kill(-process_, SIGTERM);
    }
}

void ChildProcess::end() noexcept
{
    ask_to_end();
    if (process_ > 0) {
        wait_for_exit(process_, {}, patience_ms);
        ::kill(-process_, SIGKILL);
        reap(std::exchange(process_, -1));
    }
    errors_.reset();
}

} // namespace backstay::core
