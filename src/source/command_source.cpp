#include "base/child_exit.hpp"
#include "base/file.hpp"
#include "source/single_entry_source.hpp"
#include "source/stream_source.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <mutex>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t kept_of_standard_error = 4096; ///< the end, which says why
constexpr std::size_t most_after_the_end = 65536;    ///< as much as a pipe holds
constexpr int look_around_ms = 50;
constexpr int patience_ms = 2000; ///< between asking to end and killing

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

/// Drains standard error on a thread of its own, so that the command never waits for us, and keeps
/// its end. Thread-safe.
class ErrorTail
{
public:
    explicit ErrorTail(FileDescriptor from) : from_(std::move(from)), thread_([this] { drain(); })
    {
    }
    ~ErrorTail() { join(); }
    ErrorTail(const ErrorTail&) = delete;
    ErrorTail& operator=(const ErrorTail&) = delete;
    /// Takes what is there and waits for no more: a child of the command may keep it open for ever.
    void join()
    {
        ended_ = true;
        if (thread_.joinable()) {
            thread_.join();
        }
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
    std::thread thread_;
};

class CommandSource : public SingleEntrySource
{
public:
    explicit CommandSource(CommandSourceOptions options)
        : SingleEntrySource(options.name), arguments_(std::move(options.arguments))
    {
        if (arguments_.empty() || arguments_.front().empty()) {
            throw Error(ErrorCode::invalid, "there is no command to run");
        }
    }

    ~CommandSource() override { end(); }

    std::string probe(const std::stop_token&) override
    {
        return R"({"kind":"command","scope":"object"})";
    }

    SourceVerdict finish() override
    {
        SourceVerdict verdict;
        if (!was_read()) {
            end();
            verdict.message = "the command's output was not read to its end";
            return verdict;
        }
        if (!wait_for_exit(process_, stop())) {
            throw Error(ErrorCode::cancelled, "cancelled", name());
        }
        const int status = reap(std::exchange(process_, -1));
        errors_->join();
        const bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        verdict.kind = good ? SourceVerdict::Kind::ok : SourceVerdict::Kind::failed;
        if (!good) {
            verdict.message =
                WIFSIGNALED(status)
                    ? fmt::format("the command was ended by signal {}", WTERMSIG(status))
                    : fmt::format("the command ended with status {}", WEXITSTATUS(status));
            if (const std::string tail = errors_->text(); !tail.empty()) {
                verdict.message += fmt::format(", saying: {}", tail);
            }
        }
        return verdict;
    }

    void settle(bool committed) override
    {
        end();
        SingleEntrySource::settle(committed);
    }

protected:
    void begin() override
    {
        Pipe output = make_pipe(name());
        Pipe errors = make_pipe(name());
        SpawnSettings settings;
        posix_spawn_file_actions_addopen(settings.actions(), STDIN_FILENO, "/dev/null", O_RDONLY,
                                         0);
        posix_spawn_file_actions_adddup2(settings.actions(), output.writing.get(), STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(settings.actions(), errors.writing.get(), STDERR_FILENO);
        std::vector<char*> argv;
        for (const std::string& argument : arguments_) {
            argv.push_back(
                const_cast<char*>(argument.c_str())); // posix_spawn does not write to them
        }
        argv.push_back(nullptr);
        if (const int failed = ::posix_spawnp(&process_, argv[0], settings.actions(),
                                              settings.attributes(), argv.data(), environ);
            failed != 0) {
            process_ = -1;
            throw_system_error(failed, "cannot run the command", arguments_.front(),
                               ErrorCode::source);
        }
        output_ = std::move(output.reading);
        errors_ = std::make_unique<ErrorTail>(std::move(errors.reading));
    }

    int descriptor() const override { return output_.get(); }

private:
    /// Whatever still runs of it is asked to end, then killed: the whole process group.
    void end()
    {
        output_ = FileDescriptor();
        if (process_ > 0) {
            ::kill(-process_, SIGTERM);
            wait_for_exit(process_, {}, patience_ms);
            ::kill(-process_, SIGKILL);
            reap(std::exchange(process_, -1));
        }
        errors_.reset();
    }

    std::vector<std::string> arguments_;
    pid_t process_ = -1;
    FileDescriptor output_;
    std::unique_ptr<ErrorTail> errors_;
};

} // namespace

std::unique_ptr<DataSource> make_command_source(CommandSourceOptions options)
{
    return std::make_unique<CommandSource>(std::move(options));
}

} // namespace backstay::core
