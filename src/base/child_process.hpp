#pragma once

#include "base/bytes.hpp"
#include "base/file.hpp"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <sys/types.h>
#include <vector>

namespace backstay::core
{

/// What is run: a program (found by PATH) and its arguments; no shell.
struct ChildCommand {
    std::vector<std::string> arguments;
    std::vector<std::string> environment; ///< "NAME=value", besides and over this process's own
    enum class Input : std::uint8_t { none, pipe } input = Input::none;
};

/// A program that runs beside us: its standard output is read, its standard input written (if asked
/// for), its standard error drained on a thread of its own, so that it never waits for us, and the
/// end of it kept. A process group of its own, default signals. Ended (TERM, then KILL, the whole
/// group) unless it was waited for. One thread at a time.
class ChildProcess
{
public:
    /// Throws Error{source}, or what the system's error stands for (not_found).
    explicit ChildProcess(const ChildCommand& command);
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    /// The descriptor that its output comes from.
    int output() const { return output_.get(); }
    /// Fills `buffer` as far as output goes: short only at its end. Throws Error{cancelled}, and
    /// Error{source} if nothing came for `patience_s` seconds (0: no limit).
    std::size_t read(MutableByteSpan buffer, const std::stop_token& stop, unsigned patience_s = 0);
    /// All of it to the end, at most `limit` bytes. Throws Error{source} if there are more.
    Bytes read_all(std::size_t limit, const std::stop_token& stop, unsigned patience_s = 0);

    /// False if the program reads no more: its exit status says why. Throws Error{cancelled}.
    bool write(ByteSpan bytes, const std::stop_token& stop);
    void close_input();

    struct Exit {
        bool good = false;
        std::string message; ///< "ended with status 1, saying: …"
    };
    /// Waits for its end. Throws Error{cancelled}.
    Exit wait(const std::stop_token& stop);
    /// Asks it to end, and does not wait: who ends several asks all of them first.
    void ask_to_end() noexcept;
    /// Ends whatever still runs of it.
    void end() noexcept;

private:
    class ErrorTail;

    std::string name_; ///< of the program, for errors
    pid_t process_ = -1;
    FileDescriptor input_;
    FileDescriptor output_;
    std::unique_ptr<ErrorTail> errors_;
};

} // namespace backstay::core
