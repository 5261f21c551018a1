#pragma once

#include <backstay/record.hpp>

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

namespace command
{

/// Where words go: results to standard output, everything else to standard error; one progress line
/// on a terminal. Lines may come from any thread, the rest from one at a time.
class Terminal
{
public:
    struct Look {
        std::string color; ///< "auto", "always", "never", ""
        bool json = false;
        bool quiet = false;
        bool verbose = false;
    };
    explicit Terminal(Look look);
    ~Terminal();

    /// A line of results.
    void result(const std::string& line);
    void result(const backstay::Record& record);
    /// A line beside results; not if --quiet or --json.
    void say(const std::string& line);
    void warn(const std::string& line);
    void error(const std::string& line);
    /// What the engine has to tell: warnings always, the rest if --verbose.
    void log(const backstay::Record& line);

    /// Call often: draws at most ten times a second on a terminal, a line a minute in a pipe; a
    /// record a second for --json.
    bool wants_progress();
    void progress(const backstay::Record& record);
    void clear_progress();

    bool can_ask() const;
    std::string ask_secret(const std::string& prompt);
    std::string ask_new_secret(const std::string& prompt);

    std::string bold(const std::string& text) const;
    std::string red(const std::string& text) const;
    const Look& look() const { return look_; }

private:
    void put(FILE* to, const std::string& line);
    void erase_progress();

    Look look_;
    bool colored_;
    bool draws_;
    std::mutex mutex_; // guards drawn_, and keeps lines apart
    bool drawn_ = false;
    double last_ = 0;
    double period_;
};

/// Seconds on a clock that never goes back.
double now_seconds();

} // namespace command
