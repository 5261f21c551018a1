#pragma once

#include "base/path_pattern.hpp"
#include "source/file_status.hpp"
#include "source/tree_source.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// What marks a folder whose contents are left out: a file of this name, that begins so.
struct FolderMarker {
    std::string name;
    std::string header;
};
/// Of "NAME" or "NAME:HEADER". Throws Error{invalid}.
FolderMarker folder_marker(const std::string& text);

/// What a walk leaves out by its options. Immutable, thread-safe.
class TreeFilter
{
public:
    /// Throws Error{invalid} for a bad pattern.
    explicit TreeFilter(const TreeSourceOptions& options);

    /// `path`: absolute, without the leading '/'.
    bool leaves_out(const std::string& path, const FileStatus& status) const;
    /// The names in a folder that are kept of it, if it is one of those whose contents are left
    /// out; null: everything. `folder`: an open descriptor.
    const std::string* only_kept_name(int folder) const;

private:
    bool has_marker(int folder, const FolderMarker& marker) const;

    PathPatterns patterns_;
    std::vector<FolderMarker> markers_;
    bool nodump_;
    std::uint64_t larger_than_;
};

} // namespace backstay::core
