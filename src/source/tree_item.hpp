#pragma once

#include "base/file.hpp"
#include "source/data_source.hpp"
#include "source/file_status.hpp"

#include <memory>
#include <optional>
#include <string>

namespace backstay::core
{

/// A folder that files were found in, kept open while any of them may be read.
using OpenFolder = std::shared_ptr<FileDescriptor>;

/// An entry of a tree that was given and not released.
struct TreeItem {
    std::string path; ///< absolute
    OpenFolder folder;
    FileStatus status;
    FileDescriptor file; ///< empty until it is opened
};

/// Opens files and reads them. One thread at a time.
class TreeFiles
{
public:
    /// Does nothing if it is open. Throws Error: it has gone, may not be opened, or is no file any
    /// more.
    void open(TreeItem& item);
    /// A folder, of that name there. It stays closed where it cannot be opened: who reads what is
    /// in it tells.
    void open_folder(TreeItem& item, const std::string& name);

    /// Short only at its end, as long as it has not changed.
    std::size_t read(TreeItem& item, std::uint64_t offset, MutableByteSpan buffer);
    std::optional<SnapshotStream::Extent> next_data(TreeItem& item, std::uint64_t offset);

private:
    FileDescriptor open_quietly(const TreeItem& item, const std::string& name, int flags);

    std::optional<std::uint32_t> refused_owner_; ///< whose access times may not be left alone
};

} // namespace backstay::core
