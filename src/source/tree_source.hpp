#pragma once

#include "source/data_source.hpp"

#include <memory>
#include <string>
#include <vector>

namespace backstay::core
{

struct TreeSourceOptions {
    std::vector<std::string> roots;    ///< paths as given; see absolute_roots()
    std::vector<std::string> excludes; ///< gitignore patterns, relative to every root's file system
                                       ///< "/" (see docs/guides/excludes.md)
    std::vector<std::string> excludes_ignoring_case;
    std::vector<std::string> exclude_if_present; ///< NAME or NAME:HEADER
    bool exclude_caches =
        false; ///< folders with a valid CACHEDIR.TAG (the tag and the folder itself are kept)
    bool exclude_nodump = true;            ///< files with the nodump flag
    std::uint64_t exclude_larger_than = 0; ///< 0: none
    bool one_file_system = false;
    bool ignore_change_time = false;
    bool ignore_inode = false;
    bool force = false; ///< no change tokens are believed
    std::uint32_t lanes = 2;
};

/// Directory trees of this machine. Entries' paths are the absolute paths without the leading '/';
/// the folders above a root are given too, so that a restore can make them, but without the times
/// that change with what else is in them. Everything that `rsync -aHAXS --numeric-ids` keeps, and
/// file flags. Walks with as many lanes as asked, folders shared out among them.
std::unique_ptr<DataSource> make_tree_source(TreeSourceOptions options);

/// Roots as a snapshot names them: absolute (against the working folder), without ".", ".." and
/// double '/', each once, in byte order. A symlink stays one, but with a '/' behind it it is the
/// folder that it leads to.
std::vector<std::string> absolute_roots(const std::vector<std::string>& roots);

} // namespace backstay::core
