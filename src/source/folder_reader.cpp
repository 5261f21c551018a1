#include "source/folder_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <string_view>

namespace backstay::core
{

namespace
{

constexpr std::size_t longest_step = 4000; ///< below PATH_MAX, so that one call takes it
constexpr std::size_t records_size =
    32768; ///< as readdir() reads them: its stream would cost three calls a folder more

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

FileDescriptor open_path_below(const std::string& top, const std::string& path, int flags)
{
    constexpr int step_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    FileDescriptor at = open_path(top, O_PATH | O_DIRECTORY);
    std::string_view rest = std::string_view(path).substr(top.size());
    while (at && !rest.empty()) {
        rest.remove_prefix(rest.front() == '/' ? 1 : 0);
        const std::size_t end = std::min(rest.find('/'), rest.size());
        at = FileDescriptor(
            ::openat(at.get(), std::string(rest.substr(0, end)).c_str(), step_flags));
        rest.remove_prefix(end);
    }
    return at ? FileDescriptor(::openat(at.get(), ".", flags | O_CLOEXEC)) : FileDescriptor();
}

FolderReader::FolderReader() : records_(std::make_unique<char[]>(records_size)) {}
FolderReader::~FolderReader() = default;

int FolderReader::open(const std::string& path)
{
    return open_by([&path](int flags) { return open_path(path, flags); });
}

int FolderReader::open_below(const std::string& top, const std::string& path)
{
    return open_by([&](int flags) { return open_path_below(top, path, flags); });
}

template <typename Open>
int FolderReader::open_by(const Open& open)
{
    folder_.reset();
    at_ = end_ = 0;
    error_ = 0;
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK;
    FileDescriptor fd = open(flags | O_NOATIME);
    if (!fd && errno == EPERM) {
        fd = open(flags);
    }
    if (!fd) {
        return errno;
    }
    folder_ = std::make_shared<FileDescriptor>(std::move(fd));
    return 0;
}

/// False at the end, or on an error.
bool FolderReader::fill()
{
    const ssize_t got = ::getdents64(folder_->get(), records_.get(), records_size);
    error_ = got < 0 ? errno : 0;
    at_ = 0;
    end_ = got > 0 ? static_cast<std::size_t>(got) : 0;
    return end_ != 0;
}

std::optional<std::string> FolderReader::next()
{
    while (at_ < end_ || fill()) {
        const auto* record = reinterpret_cast<const dirent64*>(records_.get() + at_);
        at_ += record->d_reclen;
        const std::string_view name = static_cast<const char*>(record->d_name);
        if (name != "." && name != "..") {
            return std::string(name);
        }
    }
    return std::nullopt;
}

} // namespace backstay::core
