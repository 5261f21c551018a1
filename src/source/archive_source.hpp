#pragma once

#include "source/data_source.hpp"

#include <memory>
#include <string>

namespace backstay::core
{

/// The entries of an archive that libarchive reads (tar, cpio, zip, ISO 9660, compressed or not),
/// sequentially, one lane. Names that would lead out of the archive
/// ("..", absolute) are reported and left out or made relative, hard links resolved to their first
/// name.
std::unique_ptr<DataSource> make_archive_source(std::string path);

} // namespace backstay::core
