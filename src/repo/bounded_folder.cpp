#include "repo/bounded_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <tuple>
#include <unistd.h>
#include <vector>

namespace backstay::core
{

namespace
{

struct CachedFile {
    std::int64_t seconds = 0; ///< of its last use, as far as the file system notes it
    std::int64_t nanoseconds = 0;
    std::uint64_t size = 0;
    std::string path;
};

/// Reading moves the access time only once a day as file systems are mounted by default.
CachedFile describe(const std::string& path, const struct stat& status)
{
    const auto& read = status.st_atim;
    const auto& written = status.st_mtim;
    const bool read_last =
        std::tie(read.tv_sec, read.tv_nsec) > std::tie(written.tv_sec, written.tv_nsec);
    const auto& last = read_last ? read : written;
    return {last.tv_sec, last.tv_nsec, static_cast<std::uint64_t>(status.st_size), path};
}

std::vector<CachedFile> files_in(const std::string& folder)
{
    std::vector<CachedFile> files;
    std::error_code failure;
    for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end;
         at.increment(failure)) {
        struct stat status {
        };
        const std::string path = at->path().string();
        if (::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
            files.push_back(describe(path, status));
        }
    }
    return files;
}

} // namespace

void BoundedFolder::added(std::uint64_t bytes)
{
    const std::lock_guard lock(mutex_);
    if (size_) {
        *size_ += bytes;
    }
    if (!size_ || *size_ > limit_) {
        size_ = trim();
    }
}

/// What is left. A quarter more goes than must, so that not every new file costs a look.
std::uint64_t BoundedFolder::trim() const
{
    std::vector<CachedFile> files = files_in(folder_);
    std::uint64_t size = 0;
    for (const CachedFile& file : files) {
        size += file.size;
    }
    if (size <= limit_) {
        return size;
    }
    std::sort(files.begin(), files.end(), [](const CachedFile& a, const CachedFile& b) {
        return std::tie(a.seconds, a.nanoseconds, a.path) <
               std::tie(b.seconds, b.nanoseconds, b.path);
    });
    for (const CachedFile& file : files) {
        if (size <= limit_ - limit_ / 4) {
            break;
        }
        if (::unlink(file.path.c_str()) == 0) {
            size -= file.size;
        }
    }
    return size;
}

} // namespace backstay::core
