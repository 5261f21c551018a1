#include "base/path_pattern.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <optional>
#include <utility>

namespace backstay::core
{

namespace
{

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

char upper(char c)
{
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool same(char a, char b, bool ignore_case)
{
    return ignore_case ? lower(a) == lower(b) : a == b;
}

/// The length of the class that begins at `i` ("[:alpha:]"); 0 if none does.
std::size_t class_length(std::string_view text, std::size_t i)
{
    if (text.substr(i, 2) != "[:") {
        return 0;
    }
    const std::size_t end = text.find(":]", i + 2);
    const bool closed = end != std::string_view::npos &&
                        text.substr(i + 2, end - i - 2).find_first_of("[]/") == text.npos;
    return closed ? end + 2 - i : 0;
}

/// By ASCII, whatever the locale.
std::optional<bool> in_class(std::string_view name, char c)
{
    const auto between = [c](char from, char to) { return from <= c && c <= to; };
    const bool letter = between('a', 'z') || between('A', 'Z');
    const bool digit = between('0', '9');
    const std::pair<std::string_view, bool> classes[] = {
        {"alpha", letter},
        {"digit", digit},
        {"alnum", letter || digit},
        {"upper", between('A', 'Z')},
        {"lower", between('a', 'z')},
        {"space", c == ' ' || between('\t', '\r')},
        {"blank", c == ' ' || c == '\t'},
        {"punct", between('!', '~') && !letter && !digit},
        {"print", between(' ', '~')},
        {"graph", between('!', '~')},
        {"cntrl", between('\0', '\x1f') || c == '\x7f'},
        {"xdigit", digit || between('a', 'f') || between('A', 'F')}};
    for (const auto& [known, holds] : classes) {
        if (name == known) {
            return holds;
        }
    }
    return std::nullopt;
}

/// The end of the bracket expression that begins at `i`; npos if it does not end.
std::size_t bracket_end(std::string_view pattern, std::size_t i)
{
    std::size_t at = i + 1;
    if (at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^')) {
        ++at;
    }
    if (at < pattern.size() && pattern[at] == ']') {
        ++at; // the first of its members
    }
    while (at < pattern.size() && pattern[at] != ']') {
        const std::size_t inner = class_length(pattern, at);
        at += inner != 0 ? inner : pattern[at] == '\\' ? 2 : 1;
    }
    return at < pattern.size() ? at : std::string_view::npos;
}

bool in_range(char from, char to, char value)
{
    return static_cast<unsigned char>(from) <= static_cast<unsigned char>(value) &&
           static_cast<unsigned char>(value) <= static_cast<unsigned char>(to);
}

bool in_bracket(std::string_view members, char c, bool ignore_case)
{
    const bool negated = !members.empty() && (members[0] == '!' || members[0] == '^');
    const auto any_case = [c, ignore_case](const auto& holds) {
        return holds(c) || (ignore_case && (holds(lower(c)) || holds(upper(c))));
    };
    bool found = false;
    std::size_t i = negated ? 1 : 0;
    while (i < members.size()) {
        if (const std::size_t length = class_length(members, i); length != 0) {
            const std::string_view name = members.substr(i + 2, length - 4);
            found = found || any_case([name](char d) { return in_class(name, d).value_or(false); });
            i += length;
            continue;
        }
        if (members[i] == '\\' && i + 1 < members.size()) {
            ++i;
        }
        const char from = members[i++];
        char to = from;
        if (i + 1 < members.size() && members[i] == '-') {
            i += members[i + 1] == '\\' && i + 2 < members.size() ? 2 : 1;
            to = members[i++];
        }
        found = found || any_case([from, to](char d) { return in_range(from, to, d); });
    }
    return found != negated;
}

/// How a match failed: `ended` and `at_slash` tell the stars before that trying further on is
/// futile, so that many stars do not take exponential time.
enum class Result { match, none, at_slash, ended };

class Matcher
{
public:
    Matcher(std::string_view pattern, std::string_view text, bool ignore_case)
        : pattern_(pattern), text_(text), ignore_case_(ignore_case)
    {
    }

    bool matches() const { return run(0, 0) == Result::match; }

private:
    /// By recursion on stars alone, so the depth is bounded by their number.
    Result run(std::size_t p, std::size_t t) const
    {
        while (p < pattern_.size()) {
            if (pattern_[p] == '*') {
                return star(p, t);
            }
            if (t == text_.size()) {
                return Result::ended;
            }
            const std::size_t used = one(p, text_[t]);
            if (used == 0) {
                return Result::none;
            }
            p += used;
            ++t;
        }
        return t == text_.size() ? Result::match : Result::none;
    }

    Result star(std::size_t p, std::size_t t) const
    {
        const std::size_t end = std::min(pattern_.find_first_not_of('*', p), pattern_.size());
        const bool whole_name =
            (p == 0 || pattern_[p - 1] == '/') && (end == pattern_.size() || pattern_[end] == '/');
        const bool crosses = end - p > 1 && whole_name;
        if (end == pattern_.size()) {
            return crosses || text_.find('/', t) == std::string_view::npos ? Result::match
                                                                           : Result::at_slash;
        }
        // "**/" is any number of folders, none too.
        if (crosses) {
            const Result rest = run(end + 1, t);
            if (rest == Result::match || rest == Result::ended) {
                return rest;
            }
        }
        for (;; ++t) {
            const Result rest = run(end, t);
            if (rest == Result::match || rest == Result::ended ||
                (rest == Result::at_slash && !crosses)) {
                return rest;
            }
            if (t == text_.size()) {
                return Result::ended;
            }
            if (text_[t] == '/' && !crosses) {
                return Result::at_slash;
            }
        }
    }

    /// How much of the pattern at `p` stands for `c`; 0: it does not.
    std::size_t one(std::size_t p, char c) const
    {
        const char wanted = pattern_[p];
        if (wanted == '?') {
            return c != '/' ? 1 : 0;
        }
        if (wanted == '[') {
            const std::size_t end = bracket_end(pattern_, p);
            const std::string_view members = pattern_.substr(p + 1, end - p - 1);
            return c != '/' && in_bracket(members, c, ignore_case_) ? end + 1 - p : 0;
        }
        if (wanted == '\\') {
            return same(pattern_[p + 1], c, ignore_case_) ? 2 : 0;
        }
        return same(wanted, c, ignore_case_) ? 1 : 0;
    }

    std::string_view pattern_; ///< its brackets are closed, and no '\\' is at its end
    std::string_view text_;
    bool ignore_case_;
};

/// Blanks at the end do not count unless they are escaped.
std::string_view trim(std::string_view pattern)
{
    std::size_t end = 0;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '\\') {
            ++i;
            end = std::min(i + 1, pattern.size());
        } else if (pattern[i] != ' ') {
            end = i + 1;
        }
    }
    return pattern.substr(0, end);
}

void demand_meaning(std::string_view pattern)
{
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '\\') {
            if (++i == pattern.size()) {
                throw Error(
                    ErrorCode::invalid,
                    fmt::format("the pattern '{}' ends in '\\': write \\\\ for the character",
                                pattern),
                    std::string(pattern));
            }
        } else if (pattern[i] == '[') {
            i = bracket_end(pattern, i);
            if (i == std::string_view::npos) {
                throw Error(
                    ErrorCode::invalid,
                    fmt::format("the pattern '{}' has an open '[': write \\[ for the character",
                                pattern),
                    std::string(pattern));
            }
        }
    }
}

} // namespace

void PathPatterns::add(std::string_view given, Case sensitivity)
{
    std::string_view pattern = trim(given);
    if (pattern.empty() || pattern.front() == '#') {
        return;
    }
    Pattern parsed;
    parsed.ignore_case = sensitivity == Case::ignored;
    if (pattern.front() == '!') {
        parsed.negated = true;
        pattern.remove_prefix(1);
    }
    if (pattern.ends_with('/')) {
        parsed.folders_only = true;
        pattern.remove_suffix(1);
    }
    parsed.anchored = pattern.find('/') != std::string_view::npos;
    if (pattern.starts_with('/')) {
        pattern.remove_prefix(1);
    }
    if (pattern.empty()) {
        return;
    }
    demand_meaning(pattern);
    parsed.text = pattern;
    patterns_.push_back(std::move(parsed));
}

PathPatterns::Match PathPatterns::match(std::string_view path, bool is_folder) const
{
    const std::size_t slash = path.rfind('/');
    const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
        if (pattern->folders_only && !is_folder) {
            continue;
        }
        const std::string_view text = pattern->anchored ? path : name;
        if (Matcher(pattern->text, text, pattern->ignore_case).matches()) {
            return pattern->negated ? Match::included : Match::excluded;
        }
    }
    return Match::none;
}

} // namespace backstay::core
