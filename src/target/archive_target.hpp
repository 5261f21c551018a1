#pragma once

#include "target/target.hpp"

#include <memory>
#include <string>

namespace backstay::core
{

enum class ArchiveFormat { tar, tar_zst, zip, iso9660 };

struct ArchiveTargetOptions {
    ArchiveFormat format = ArchiveFormat::tar;
    std::string path;    ///< written beside and renamed by commit(); empty: to `descriptor`
    int descriptor = -1; ///< borrowed
    bool overwrite = false;
};

/// Writes a subtree as pax tar (plain or zstd), zip or ISO 9660 (Rock Ridge, Joliet).
///
/// tar holds everything but sockets. zip holds files, folders and symlinks, with modes, numbers of
/// owners and times to the second; other names of a file become copies. ISO 9660 holds no xattrs,
/// ACLs and flags, and times to the second. An entry that the format cannot hold, or one that has
/// to be renamed because its name is not UTF-8, is a problem of its own; attributes that it cannot
/// hold are told once a kind.
///
/// A damaged file is left out if it is small; a large one, of which the archive has the beginning
/// already, ends the run with Error{damaged}.
std::unique_ptr<Target> make_archive_target(ArchiveTargetOptions options);

} // namespace backstay::core
