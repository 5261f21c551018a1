#include "terminal.hpp"

#include "text.hpp"

#include <backstay/error.hpp>

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

namespace command
{

namespace
{

constexpr double redraw_period = 0.1;
constexpr double json_period = 1;
constexpr double pipe_period = 60;

bool colors_wanted(const std::string& choice)
{
    if (choice == "always") {
        return true;
    }
    const char* no_color =
        std::getenv("NO_COLOR"); // NOLINT(concurrency-mt-unsafe): nobody changes it here
    return choice != "never" && (no_color == nullptr || *no_color == '\0') &&
           ::isatty(STDERR_FILENO) == 1;
}

std::size_t terminal_width()
{
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void write_line(FILE* to, const std::string& line)
{
    std::fwrite(line.data(), 1, line.size(), to);
    std::fputc('\n', to);
    std::fflush(to);
}

std::string progress_line(const backstay::Record& record)
{
    const auto bytes = static_cast<std::uint64_t>(record.number("bytes"));
    const auto total = static_cast<std::uint64_t>(record.number("bytes_total"));
    const double seconds = record.seconds("seconds");
    const double rate = seconds > 0.5 ? static_cast<double>(bytes) / seconds : 0;
    std::string line = fmt::format("{} entries, {}", record.number("entries"), size_text(bytes));
    if (total > 0) {
        line += fmt::format(" of {}", size_text(total));
    }
    if (rate > 0) {
        line += fmt::format(", {}/s", size_text(static_cast<std::uint64_t>(rate)));
    }
    if (total > bytes && rate > 0) {
        line += fmt::format(", {} left", duration_text(static_cast<double>(total - bytes) / rate));
    }
    if (const std::int64_t problems = record.number("problems"); problems > 0) {
        line += fmt::format(", {} problems", problems);
    }
    return line;
}

} // namespace

double now_seconds()
{
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

Terminal::Terminal(Look look)
    : look_(std::move(look)), colored_(colors_wanted(look_.color)),
      draws_(!look_.json && !look_.quiet && ::isatty(STDERR_FILENO) == 1), last_(now_seconds()),
      period_(look_.json ? json_period
              : draws_   ? redraw_period
                         : pipe_period)
{
}

Terminal::~Terminal()
{
    clear_progress();
}

void Terminal::put(FILE* to, const std::string& line)
{
    const std::lock_guard lock(mutex_);
    erase_progress();
    write_line(to, line);
}

void Terminal::result(const std::string& line)
{
    put(stdout, line);
}

void Terminal::result(const backstay::Record& record)
{
    result(record.json());
}

void Terminal::say(const std::string& line)
{
    if (!look_.quiet && !look_.json) {
        put(stderr, line);
    }
}

void Terminal::warn(const std::string& line)
{
    put(stderr, line);
}

void Terminal::error(const std::string& line)
{
    put(stderr, red("error: ") + line);
}

void Terminal::log(const backstay::Record& line)
{
    const bool is_warning = line.text("level") == "warning";
    if (!is_warning && !look_.verbose) {
        return;
    }
    if (look_.json) {
        put(stdout, line.json());
    } else if (is_warning) {
        warn(line.text("message"));
    } else {
        say(line.text("message"));
    }
}

bool Terminal::wants_progress()
{
    return !look_.quiet && now_seconds() - last_ >= period_;
}

void Terminal::progress(const backstay::Record& record)
{
    last_ = now_seconds();
    if (look_.json) {
        put(stdout, record.json());
        return;
    }
    std::string line = progress_line(record);
    if (!draws_) {
        put(stderr, line);
        return;
    }
    const std::size_t width = terminal_width();
    if (const std::string current = printable(record.text("current"));
        line.size() + current.size() + 2 < width) {
        line += "  " + current;
    }
    const std::lock_guard lock(mutex_);
    std::fputs(("\r\x1b[K" + line.substr(0, width - 1)).c_str(), stderr);
    std::fflush(stderr);
    drawn_ = true;
}

void Terminal::clear_progress()
{
    const std::lock_guard lock(mutex_);
    erase_progress();
}

void Terminal::erase_progress()
{
    if (drawn_) {
        std::fputs("\r\x1b[K", stderr);
        std::fflush(stderr);
        drawn_ = false;
    }
}

bool Terminal::can_ask() const
{
    return ::isatty(STDIN_FILENO) == 1;
}

std::string Terminal::ask_secret(const std::string& prompt)
{
    const int tty = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
    termios before{};
    if (tty < 0 || ::tcgetattr(tty, &before) != 0) {
        throw backstay::Error(BACKSTAY_E_KEY,
                              "a passphrase is needed and there is no terminal to ask on: use "
                              "--passphrase-file or --passphrase-command");
    }
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(tty, TCSAFLUSH, &silent);
    const std::string question = prompt + ": ";
    [[maybe_unused]] ssize_t ignored = ::write(tty, question.data(), question.size());
    std::string secret;
    char c = '\0';
    while (::read(tty, &c, 1) == 1 && c != '\n') {
        secret += c;
    }
    ::tcsetattr(tty, TCSAFLUSH, &before);
    ignored = ::write(tty, "\n", 1);
    ::close(tty);
    return secret;
}

std::string Terminal::ask_new_secret(const std::string& prompt)
{
    while (true) {
        std::string first = ask_secret(prompt);
        if (first.empty()) {
            throw backstay::Error(
                BACKSTAY_E_INVALID,
                "an empty passphrase protects nothing: use --no-encryption if that is meant");
        }
        if (first == ask_secret(prompt + " again")) {
            return first;
        }
        warn("They differ: once more.");
    }
}

std::string Terminal::bold(const std::string& text) const
{
    return colored_ ? "\x1b[1m" + text + "\x1b[0m" : text;
}

std::string Terminal::red(const std::string& text) const
{
    return colored_ ? "\x1b[31m" + text + "\x1b[0m" : text;
}

} // namespace command
