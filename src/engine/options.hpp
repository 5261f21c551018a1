#pragma once

#include "base/clock.hpp"
#include "base/record.hpp"
#include "base/secret.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

enum class OptionKind : std::uint8_t {
    number,
    flag,
    text,
    path,
    size,
    duration,
    percent,
    time,
    choice,
    secret
};

/// One option of a scope, as the C ABI, the command's help, the man pages and the completions know
/// it.
struct OptionSpec {
    const char* key;
    OptionKind kind;
    bool repeatable;
    const char*
        standard;       ///< what holds if it is not set, in the command's spelling; "" for nothing
    std::int64_t least; ///< number, size (bytes), percent
    std::int64_t most;
    const char* choices;                      ///< "a|b|c" of a choice
    const char* placeholder;                  ///< "DIR"
    const char* help;                         ///< one line
    void (*form)(std::string_view) = nullptr; ///< what else holds for a value: Error{invalid}
};

/// Throws Error{invalid} naming the nearest scope.
std::span<const OptionSpec> option_specs(std::string_view scope);
std::vector<std::string> option_scopes();
/// A list of records, one an option; scope "": the scopes.
Record describe_options(std::string_view scope);

/// Values of a scope's options, checked when they are set: Error{invalid} says what is wrong and
/// names the nearest key. One thread at a time.
class OptionSet
{
public:
    explicit OptionSet(std::string_view scope);

    void set_number(std::string_view key, std::int64_t value);
    void set_flag(std::string_view key, bool value);
    /// Any kind in the command's spelling. Replaces.
    void set_text(std::string_view key, std::string_view value);
    /// To a repeatable option.
    void add_text(std::string_view key, std::string_view value);
    void set_secret(std::string_view key, ByteSpan value);

    const std::string& scope() const { return scope_; }
    bool has(std::string_view key) const;
    /// What was set, else the standard value, else zero or nothing.
    std::int64_t number(std::string_view key) const;
    bool flag(std::string_view key) const;
    std::string text(std::string_view key) const;
    std::vector<std::string> texts(std::string_view key) const;
    std::uint64_t size(std::string_view key) const;
    std::optional<Duration> duration(std::string_view key) const;
    double percent(std::string_view key) const;
    std::optional<Timestamp> time(std::string_view key) const;
    const Secret* secret(std::string_view key) const; ///< null if not set

private:
    const OptionSpec& spec(std::string_view key) const;
    void check(const OptionSpec& spec, std::string_view value) const;
    std::string scope_;
    std::span<const OptionSpec> specs_;
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
    std::map<std::string, Secret, std::less<>> secrets_;
};

} // namespace backstay::core
