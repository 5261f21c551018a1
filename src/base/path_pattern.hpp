#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// Patterns as in gitignore(5), in order, the last that matches decides: `*` and `?` stay within a
/// name, `**` as a whole name crosses, `[a-z]` and `[[:alpha:]]`, `!` takes back, a trailing '/'
/// means folders only, a '/' elsewhere anchors to the root. Immutable once built; thread-safe.
class PathPatterns
{
public:
    enum class Case { sensitive, ignored };
    /// Throws Error{invalid} for a pattern that cannot mean anything (an open '[', a '\\' at its
    /// end).
    void add(std::string_view pattern, Case sensitivity = Case::sensitive);
    bool empty() const { return patterns_.empty(); }

    enum class Match { none, included, excluded };
    /// `path`: relative to the root, raw bytes. Looks at this path only: a walker that does not
    /// descend into an excluded folder gets gitignore's meaning.
    Match match(std::string_view path, bool is_folder) const;

private:
    struct Pattern {
        std::string text;
        bool negated = false;
        bool folders_only = false;
        bool anchored = false;
        bool ignore_case = false;
    };
    std::vector<Pattern> patterns_;
};

} // namespace backstay::core
