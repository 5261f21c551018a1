#include "engine/path_filter.hpp"

namespace backstay::core
{

PathFilter::PathFilter(const std::vector<std::string>& include,
                       const std::vector<std::string>& exclude)
{
    for (const std::string& pattern : include) {
        include_.add(pattern);
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

} // namespace backstay::core
