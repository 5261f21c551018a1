#pragma once

#include "command.hpp"
#include "terminal.hpp"

#include <backstay/backstay.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace command
{

/// Exit statuses: a contract.
enum Exit {
    exit_done = 0,
    exit_failed = 1,
    exit_usage = 2,
    exit_problems = 3,
    exit_interrupted = 4,
    exit_damaged = 5
};

/// Wrong usage: exit status 2.
class UsageError : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

/// A parsed command line, and what a subcommand needs of it.
class Invocation
{
public:
    struct Given {
        const Command* command = nullptr;
        std::map<std::string, std::vector<std::string>> values;      ///< by key, own and library's
        std::map<std::string, std::vector<std::string>> positionals; ///< by name
        std::vector<std::string> rest;                               ///< behind "--"
    };
    Invocation(Given given, const backstay::Cancel& cancel);
    ~Invocation();

    bool json() const { return has("json"); }
    bool quiet() const { return has("quiet"); }
    bool verbose() const { return has("verbose"); }
    const Command& command() const { return *given_.command; }
    bool has(const std::string& key) const;
    std::string value(const std::string& key) const; ///< the last given; "" if none
    std::vector<std::string> values(const std::string& key) const;
    std::string positional(const std::string& name) const;
    std::vector<std::string> positionals(const std::string& name) const;
    const std::vector<std::string>& rest() const { return given_.rest; }

    /// Refuses what cannot be a value of its option, before anything is opened. Throws UsageError,
    /// backstay::Error{E_INVALID}.
    void check_values() const;
    /// The library's options of a scope, as given. Throws backstay::Error{E_INVALID}.
    backstay::Options options(const std::string& scope) const;

    const backstay::Cancel& cancel() const { return cancel_; }
    backstay::Engine& engine();
    /// The one of -r.
    backstay::Store store(bool create = false);
    backstay::Store store_at(const std::string& uri, bool create = false);
    backstay::Repository repository();
    /// What the store of repository() was asked for; nothing if it bills nothing.
    std::optional<backstay::Record> traffic() const;
    backstay::Repository repository_at(const std::string& uri);
    /// The words by which another process runs a command on this repository, as far as the command
    /// itself: program, repository, credentials, all by absolute paths. Throws UsageError where the
    /// passphrase is not in a place that can be named.
    std::vector<std::string> words_for_another_process() const;
    /// Options of scope "repository" or "init" with the passphrase from where it is said to be;
    /// asked for on the terminal, twice for a new one.
    backstay::Options credentials(const char* scope, bool is_new);
    /// "SNAPSHOT[:PATH]", `latest` by --host, --tag, --path.
    struct SnapshotPath {
        std::string snapshot;
        std::string path;
    };
    static SnapshotPath split(const std::string& argument);
    backstay::Snapshot snapshot(const backstay::Repository& repository, const std::string& name);

    Terminal& terminal() { return terminal_; }

private:
    void tell_notice(const std::string& message);
    std::string repository_uri() const;
    Given given_;
    const backstay::Cancel& cancel_;
    Terminal terminal_;
    std::unique_ptr<backstay::Engine> engine_;
    std::optional<backstay::Store> place_; ///< of repository()
};

} // namespace command
