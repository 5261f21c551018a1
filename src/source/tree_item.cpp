#include "source/tree_item.hpp"

#include "base/error.hpp"
#include "source/tree_walk.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/core.h>
#include <system_error>
#include <unistd.h>

namespace backstay::core
{

FileDescriptor TreeFiles::open_quietly(const TreeItem& item, const std::string& name, int flags)
{
    flags |= O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    // Who may not leave the access time alone is told once for each owner.
    const bool leave_time = refused_owner_ != item.status.user_id;
    FileDescriptor opened(
        ::openat(item.folder->get(), name.c_str(), flags | (leave_time ? O_NOATIME : 0)));
    if (!opened && errno == EPERM && leave_time) {
        opened = FileDescriptor(::openat(item.folder->get(), name.c_str(), flags));
        refused_owner_ = opened ? std::optional(item.status.user_id) : refused_owner_;
    }
    return opened;
}

void TreeFiles::open_folder(TreeItem& item, const std::string& name)
{
    item.file = open_quietly(item, name, O_DIRECTORY);
}

void TreeFiles::open(TreeItem& item)
{
    if (item.file) {
        return;
    }
    const std::string name = item.path.substr(item.path.rfind('/') + 1);
    FileDescriptor file = open_quietly(item, name, 0);
    constexpr const char* no_file = "became something else than a file before it was read";
    if (!file) {
        const int error = errno;
        if (error == ELOOP || error == ENXIO) { // a symlink, a socket
            throw Error(ErrorCode::source, no_file, item.path, error);
        }
        throw Error(code_of_entry_error(error),
                    error == ENOENT ? "vanished before it was read"
                                    : fmt::format("cannot be opened: {}",
                                                  std::generic_category().message(error)),
                    item.path, error);
    }
    FileStatus status;
    if (const int error = read_status(file.get(), "", status); error != 0) {
        throw Error(ErrorCode::source,
                    fmt::format("cannot be looked at: {}", std::generic_category().message(error)),
                    item.path, error);
    }
    if (status.kind != EntryKind::file) {
        throw Error(ErrorCode::source, no_file, item.path);
    }
    item.file = std::move(file);
}

std::size_t TreeFiles::read(TreeItem& item, std::uint64_t offset, MutableByteSpan buffer)
{
    open(item);
    // Up to where the file ended when it was looked at, there is no need to ask for its end: if
    // it has grown since, outcome() sees it.
    const std::uint64_t size = item.status.size;
    const bool within = offset < size && size - offset < buffer.size();
    const MutableByteSpan wanted =
        within ? buffer.first(static_cast<std::size_t>(size - offset)) : buffer;
    return read_at(item.file.get(), offset, wanted, item.path.substr(1));
}

std::optional<SnapshotStream::Extent> TreeFiles::next_data(TreeItem& item, std::uint64_t offset)
{
    open(item);
    const off_t begin = ::lseek(item.file.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (begin < 0) {
        return errno == ENXIO ? std::nullopt
                              : std::optional(SnapshotStream::Extent{offset, item.status.size});
    }
    const off_t end = ::lseek(item.file.get(), begin, SEEK_HOLE);
    return SnapshotStream::Extent{static_cast<std::uint64_t>(begin),
                                  end < 0 ? item.status.size : static_cast<std::uint64_t>(end)};
}

} // namespace backstay::core
