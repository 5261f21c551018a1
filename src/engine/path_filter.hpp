#pragma once

#include "base/path_pattern.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// Include and exclude patterns over a walk (a folder before what is in it). One thread at a time.
class PathFilter
{
public:
    PathFilter(const std::vector<std::string>& include, const std::vector<std::string>& exclude);

    enum class Decision {
        take,    ///< it is wanted
        descend, ///< a folder that is not wanted itself, but what is in it may be
        skip,    ///< neither it nor what is in it
    };
    Decision decide(const std::string& path, bool is_folder);

    /// Of the include patterns, those that have matched nothing yet.
    std::vector<std::string> unmatched() const;

private:
    void note_matches(const std::string& path, bool is_folder);

    struct Include {
        std::string text;
        PathPatterns pattern; ///< it alone
        bool matched = false;
    };
    std::vector<Include> includes_;
    PathPatterns include_; ///< all of them
    PathPatterns exclude_;
    std::string taken_folder_; ///< what lies below it is wanted, too; empty: none
};

} // namespace backstay::core
