#pragma once

#include "source/data_source.hpp"
#include "source/folder_queue.hpp"
#include "source/owner_names.hpp"
#include "source/tree_filter.hpp"
#include "source/tree_source.hpp"

#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// One walk of a tree source: what all its lanes share. Thread-safe once it is made.
struct TreeWalk {
    /// Roots that are not there are told; throws Error{not_found} if none is. `options` and
    /// `parent` must outlive the walk.
    TreeWalk(const TreeSourceOptions& options, SnapshotView* parent, ProblemSink problems,
             std::stop_token stop);

    /// `path`: absolute.
    void problem(int error, const std::string& path, const char* what) const;

    /// The roots, and the folders above them, are given before anything else: they are seeds.
    bool is_root(const std::string& path) const;
    /// The innermost that `path`, a folder that is walked, lies in.
    std::string root_of(const std::string& path) const;
    bool is_seed(const std::string& path) const;
    bool any_seed_below(const std::string& folder) const;

    const TreeSourceOptions& options;
    const TreeFilter filter;
    SnapshotView* const parent; ///< or null
    const ProblemSink problems;
    const std::stop_token stop;
    FolderQueue folders;
    OwnerNames names;
    const std::vector<std::string> roots; ///< absolute, sorted
    const std::vector<std::string> seeds; ///< "/" left out, sorted, outermost first
};

/// What errno means for one entry.
ErrorCode code_of_entry_error(int error);

} // namespace backstay::core
