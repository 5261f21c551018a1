#pragma once

#include "target/target.hpp"

#include <memory>
#include <string>

namespace backstay::core
{

enum class ArchiveFormat { tar, tar_zst, zip, iso9660 };

struct ArchiveTargetOptions {
    ArchiveFormat format = ArchiveFormat::tar;
    std::string path;    ///< written beside and renamed at the end; empty: to `descriptor`
    int descriptor = -1; ///< borrowed
    bool overwrite = false;
};

/// Writes a subtree as pax tar (plain or zstd), zip or ISO 9660 (Rock Ridge, Joliet). What the
/// format cannot hold is reported, entry by entry, never dropped in silence.
std::unique_ptr<Target> make_archive_target(ArchiveTargetOptions options);

} // namespace backstay::core
