#pragma once

#include "format/entry.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// The extended attributes (ACLs among them) of `name` in the folder `folder` (an open descriptor)
/// at `path`, which serves where /proc is not mounted; symlinks are not followed. Sorted by name.
/// Returns 0 or errno; ENOTSUP counts as none.
int read_xattrs(int folder, const std::string& name, const std::string& path,
                std::vector<Xattr>& xattrs);
/// Of an open file.
int read_xattrs(int file, std::vector<Xattr>& xattrs);

} // namespace backstay::core
