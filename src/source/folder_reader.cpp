#include "source/folder_reader.hpp"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <string_view>

namespace backstay::core
{

namespace
{

constexpr std::size_t longest_step = 4000; ///< below PATH_MAX, so that one call takes it

} // namespace

FileDescriptor open_path(const std::string& path, int flags)
{
    std::string_view rest = path;
    FileDescriptor at;
    while (rest.size() > longest_step) {
        const std::size_t slash = rest.rfind('/', longest_step);
        if (slash == std::string_view::npos || slash == 0) {
            errno = ENAMETOOLONG;
            return {};
        }
        const std::string step(rest.substr(0, slash));
        FileDescriptor next(
            ::openat(at ? at.get() : AT_FDCWD, step.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!next) {
            return {};
        }
        at = std::move(next);
        rest.remove_prefix(slash + 1);
    }
    return FileDescriptor(::openat(at ? at.get() : AT_FDCWD, std::string(rest).c_str(),
                                   flags | O_CLOEXEC | O_NOFOLLOW));
}

void FolderReader::Close::operator()(void* stream) const noexcept
{
    ::closedir(static_cast<DIR*>(stream));
}

FolderReader::FolderReader() = default;
FolderReader::~FolderReader() = default;
FolderReader::FolderReader(FolderReader&&) noexcept = default;
FolderReader& FolderReader::operator=(FolderReader&&) noexcept = default;

int FolderReader::open(const std::string& path)
{
    stream_.reset();
    error_ = 0;
    FileDescriptor fd = open_path(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOATIME);
    if (!fd && errno == EPERM) {
        fd = open_path(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    }
    if (!fd) {
        return errno;
    }
    DIR* stream = ::fdopendir(fd.get());
    if (stream == nullptr) {
        return errno;
    }
    fd.release();
    stream_.reset(stream);
    return 0;
}

std::optional<std::string> FolderReader::next()
{
    while (true) {
        errno = 0;
        const dirent* entry = ::readdir(static_cast<DIR*>(stream_.get()));
        if (entry == nullptr) {
            error_ = errno;
            return std::nullopt;
        }
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            return std::string(name);
        }
    }
}

int FolderReader::descriptor() const
{
    return ::dirfd(static_cast<DIR*>(stream_.get()));
}

} // namespace backstay::core
