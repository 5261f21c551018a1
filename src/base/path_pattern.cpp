#include "base/path_pattern.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

namespace backstay::core
{

namespace
{

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same(char a, char b, bool ignore_case)
{
    return ignore_case ? lower(a) == lower(b) : a == b;
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
        at += pattern[at] == '\\' ? 2 : 1;
    }
    return at < pattern.size() ? at : std::string_view::npos;
}

bool in_bracket(std::string_view members, char c, bool ignore_case)
{
    std::size_t i = 0;
    const bool negated = !members.empty() && (members[0] == '!' || members[0] == '^');
    i += negated ? 1 : 0;
    bool found = false;
    const auto in_range = [](char from, char to, char value) {
        return static_cast<unsigned char>(from) <= static_cast<unsigned char>(value) &&
               static_cast<unsigned char>(value) <= static_cast<unsigned char>(to);
    };
    while (i < members.size()) {
        if (members[i] == '\\' && i + 1 < members.size()) {
            ++i;
        }
        const char from = members[i++];
        char to = from;
        if (i + 1 < members.size() && members[i] == '-') {
            i += members[i + 1] == '\\' && i + 2 < members.size() ? 2 : 1;
            to = members[i++];
        }
        found = found || in_range(from, to, c) ||
                (ignore_case && (in_range(from, to, lower(c)) || same(from, c, true)));
    }
    return found != negated;
}

/// fnmatch with "**": by recursion on stars alone, so the depth is bounded by their number.
bool matches(std::string_view pattern, std::string_view text, bool ignore_case)
{
    while (!pattern.empty()) {
        if (pattern.starts_with("**/")) {
            // Any number of folders, none too.
            while (true) {
                if (matches(pattern.substr(3), text, ignore_case)) {
                    return true;
                }
                const std::size_t slash = text.find('/');
                if (slash == std::string_view::npos) {
                    return false;
                }
                text.remove_prefix(slash + 1);
            }
        }
        if (pattern == "**") {
            return true;
        }
        if (pattern.front() == '*') {
            while (!pattern.empty() && pattern.front() == '*') {
                pattern.remove_prefix(1);
            }
            for (std::size_t i = 0;; ++i) {
                if (matches(pattern, text.substr(i), ignore_case)) {
                    return true;
                }
                if (i == text.size() || text[i] == '/') {
                    return false;
                }
            }
        }
        if (text.empty()) {
            return false;
        }
        std::size_t used = 1;
        if (pattern.front() == '?') {
            if (text.front() == '/') {
                return false;
            }
        } else if (pattern.front() == '[') {
            const std::size_t end = bracket_end(pattern, 0);
            if (text.front() == '/' ||
                !in_bracket(pattern.substr(1, end - 1), text.front(), ignore_case)) {
                return false;
            }
            used = end + 1;
        } else {
            const std::size_t at = pattern.front() == '\\' && pattern.size() > 1 ? 1 : 0;
            if (!same(pattern[at], text.front(), ignore_case)) {
                return false;
            }
            used = at + 1;
        }
        pattern.remove_prefix(used);
        text.remove_prefix(1);
    }
    return text.empty();
}

/// Blanks at the end do not count unless the last is escaped.
std::string_view trim(std::string_view pattern)
{
    while (pattern.ends_with(' ') && !pattern.ends_with("\\ ")) {
        pattern.remove_suffix(1);
    }
    return pattern;
}

void demand_closed_brackets(std::string_view pattern)
{
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '\\') {
            ++i;
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
    demand_closed_brackets(pattern);
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
        if (matches(pattern->text, pattern->anchored ? path : name, pattern->ignore_case)) {
            return pattern->negated ? Match::included : Match::excluded;
        }
    }
    return Match::none;
}

} // namespace backstay::core
