#include "engine/path_filter.hpp"

namespace backstay::core
{

PathFilter::PathFilter(const std::vector<std::string>& include,
                       const std::vector<std::string>& exclude)
{
    for (const std::string& pattern : include) {
        include_.add(pattern);
        if (!pattern.starts_with('!')) {
            includes_.push_back({pattern, {}});
            includes_.back().pattern.add(pattern);
        }
    }
    for (const std::string& pattern : exclude) {
        exclude_.add(pattern);
    }
}

PathFilter::Decision PathFilter::decide(const std::string& path, bool is_folder)
{
    if (exclude_.match(path, is_folder) == PathPatterns::Match::excluded) {
        return Decision::skip;
    }
    if (include_.empty()) {
        return Decision::take;
    }
    note_matches(path, is_folder);
    const bool below_taken = !taken_folder_.empty() && path.starts_with(taken_folder_);
    // Of include patterns a match means: wanted.
    if (below_taken || include_.match(path, is_folder) == PathPatterns::Match::excluded) {
        if (is_folder && !below_taken) {
            taken_folder_ = path + "/";
        }
        return Decision::take;
    }
    return is_folder ? Decision::descend : Decision::skip;
}

void PathFilter::note_matches(const std::string& path, bool is_folder)
{
    for (Include& include : includes_) {
        include.matched = include.matched ||
                          include.pattern.match(path, is_folder) == PathPatterns::Match::excluded;
    }
}

std::vector<std::string> PathFilter::unmatched() const
{
    std::vector<std::string> unmatched;
    for (const Include& include : includes_) {
        if (!include.matched) {
            unmatched.push_back(include.text);
        }
    }
    return unmatched;
}

} // namespace backstay::core
