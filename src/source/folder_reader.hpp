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

/// The names in a folder, in the order the file system gives, "." and ".." left out. One thread at
/// a time.
class FolderReader
{
public:
    FolderReader();
    ~FolderReader();
    FolderReader(FolderReader&&) noexcept;
    FolderReader& operator=(FolderReader&&) noexcept;

    /// 0, or errno.
    int open(const std::string& path);
    /// Empty at the end; error() tells whether it was one.
    std::optional<std::string> next();
    int error() const { return error_; }
    int descriptor() const;
    bool is_open() const { return stream_ != nullptr; }
    void close() { stream_.reset(); }

private:
    struct Close {
        void operator()(void* stream) const noexcept;
    };
    std::unique_ptr<void, Close> stream_; // DIR
    int error_ = 0;
};

} // namespace backstay::core
