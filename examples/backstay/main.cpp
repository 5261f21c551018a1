#include "documentation.hpp"
#include "invocation.hpp"
#include "job_runner.hpp"
#include "parser.hpp"
#include "profile.hpp"
#include "text.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

namespace command
{

namespace
{

backstay::Cancel* interrupted_job = nullptr;
volatile std::sig_atomic_t interruptions = 0;

/// The first ends cleanly, the second at once.
void on_signal(int)
{
    interruptions = interruptions + 1;
    if (interruptions > 1) {
        ::_exit(exit_interrupted);
    }
    interrupted_job->trigger();
}

void catch_signals(backstay::Cancel& cancel)
{
    interrupted_job = &cancel;
    struct sigaction action {
    };
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        ::sigaction(signal, &action, nullptr);
    }
    struct sigaction ignore {
    };
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, nullptr); // a closed pipe is an error of write, with a word
    ::sigaction(SIGXFSZ, &ignore, nullptr); // so is a file beyond `ulimit -f`
}

/// One that is closed would be the next file opened, and what is printed would go into that. In its
/// place stands one that fails whoever uses it.
void hold_standard_descriptors()
{
    for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(descriptor, F_GETFD) < 0) {
            ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

bool wants_json(const std::vector<std::string>& arguments)
{
    return std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
}

/// A failure before any job: the same form as a job's.
void print_json_failure(const std::string& command, const std::string& code,
                        const std::string& message, const std::string& subject)
{
    backstay::Record error;
    error.set("code", code).set("message", message).set_bytes("subject", subject);
    backstay::Record summary;
    summary.set("type", "summary").set("command", command).set("error", error);
    std::puts(summary.json().c_str());
}

void print_failure(Terminal& terminal, const backstay::Error& error)
{
    std::string line = error.what();
    if (!error.subject().empty() && line.find(error.subject()) == std::string::npos) {
        line = error.subject() + ": " + line;
    }
    terminal.error(printable(line));
}

int status_of(const backstay::Error& error)
{
    return error.status() == BACKSTAY_E_CANCELLED ? exit_interrupted : exit_failed;
}

int run(const std::vector<std::string>& arguments)
{
    const bool json = wants_json(arguments);
    const std::string name = named_command(arguments);
    Terminal terminal({"", json, false, false});
    try {
        Parsed parsed = parse(arguments);
        if (parsed.help) {
            std::puts(
                (parsed.given.command != nullptr ? help_of(*parsed.given.command) : help_of_all())
                    .c_str());
            return exit_done;
        }
        apply_profile(parsed.given);
        backstay::Cancel cancel;
        catch_signals(cancel);
        Invocation invocation(std::move(parsed.given), cancel);
        invocation.check_values();
        return invocation.command().run(invocation);
    } catch (const UsageError& error) {
        if (json) {
            print_json_failure(name, "invalid", error.what(), "");
        }
        terminal.error(printable(error.what()));
        return exit_usage;
    } catch (const JobFailed& error) {
        print_failure(terminal, error);
        return status_of(error);
    } catch (const backstay::Error& error) {
        if (json) {
            print_json_failure(name, error.code(), error.what(), error.subject());
        }
        print_failure(terminal, error);
        return error.status() == BACKSTAY_E_INVALID ? static_cast<int>(exit_usage)
                                                    : status_of(error);
    }
}

} // namespace
} // namespace command

int main(int argc, char** argv)
{
    try {
        command::hold_standard_descriptors();
        const int status = command::run({argv + 1, argv + argc});
        const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
        if (!written && status == command::exit_done) {
            // What was to be done is done; nobody was told of it.
            std::fputs("error: cannot write the results to standard output\n", stderr);
            return command::exit_problems;
        }
        return status;
    } catch (const std::exception& error) {
        std::fputs(fmt::format("error: {}\n", error.what()).c_str(), stderr);
        return command::exit_failed;
    }
}
