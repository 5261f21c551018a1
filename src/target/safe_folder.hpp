#pragma once

#include "base/file.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/types.h>
#include <vector>

namespace backstay::core
{

// Reaching things below a root by descriptors alone: no call here follows a symlink, leaves the
// root by
// "..", or hands the kernel a path longer than PATH_MAX. Failures that are ordinary (absent, a
// symlink in the way, no right) come back as errno values, for the caller to judge.

/// A folder opened, or why not.
struct OpenedFolder {
    FileDescriptor descriptor;
    int error =
        0; ///< errno where `descriptor` is empty; ELOOP or ENOTDIR: something else is in the way
};

/// The folder `name` right in `parent`. Where it may be searched but not listed, the descriptor is
/// an O_PATH one.
OpenedFolder open_child_folder(int parent, const std::string& name);

/// The folder at `path` below `root`; "" is the root itself. Any length.
OpenedFolder open_folder_below(int root, std::string_view path);

/// As open_folder_below, making what is missing with `mode`.
OpenedFolder make_folders_below(int root, std::string_view path, mode_t mode);

/// The root of a tree: symlinks on the way are followed, for the user named it. Makes it and its
/// parents if `create`. Throws Error{not_found, denied, target}.
FileDescriptor open_root_folder(const std::string& path, bool create);

/// What `name` in `folder` is, a symlink itself; empty if there is nothing.
/// Throws Error{denied, target} for anything else; `subject` is named in it.
std::optional<struct stat> stat_child(int folder, const std::string& name,
                                      const std::string& subject);

/// The names in a folder without "." and "..", in the order of the file system.
/// Throws Error{denied, target}.
std::vector<std::string> list_folder(int folder, const std::string& subject);

/// "a/b/c" -> "a/b", "c"; "c" -> "", "c".
struct SplitPath {
    std::string_view parent;
    std::string_view name;
};
SplitPath split_path(std::string_view path);

/// A path that names the descriptor's object to calls that have no form for descriptors.
std::string descriptor_path(int descriptor);

} // namespace backstay::core
