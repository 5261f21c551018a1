#pragma once

#include "base/file.hpp"

#include <memory>
#include <optional>
#include <string>

namespace backstay::core
{

/// Opens a path of any length, beyond PATH_MAX too, without following a symlink at its end. The
/// descriptor is empty on failure, errno says why.
FileDescriptor open_path(const std::string& path, int flags);

/// The same below `top`, with no symlink on the way. Requires: `path` is `top` or lies in it.
FileDescriptor open_path_below(const std::string& top, const std::string& path, int flags);

/// The names in a folder, in the order the file system gives, "." and ".." left out. One thread at
/// a time.
class FolderReader
{
public:
    FolderReader();
    ~FolderReader();

    /// 0, or errno.
    int open(const std::string& path);
    /// The same, with no symlink on the way from `top`.
    int open_below(const std::string& top, const std::string& path);
    /// Empty at the end; error() tells whether it was one.
    std::optional<std::string> next();
    int error() const { return error_; }
    /// Null if none is open; may be kept beyond close().
    const std::shared_ptr<FileDescriptor>& folder() const { return folder_; }
    bool is_open() const { return folder_ != nullptr; }
    void close() { folder_.reset(); }

private:
    template <typename Open>
    int open_by(const Open& open);
    bool fill();

    std::shared_ptr<FileDescriptor> folder_;
    std::unique_ptr<char[]> records_; ///< as the kernel gives them
    std::size_t at_ = 0;
    std::size_t end_ = 0;
    int error_ = 0;
};

} // namespace backstay::core
