#include "target/inode.hpp"

#include "base/error.hpp"
#include "target/safe_folder.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_xattr_list = 1 << 16;  // XATTR_LIST_MAX
constexpr std::size_t largest_xattr_value = 1 << 16; // XATTR_SIZE_MAX
constexpr std::size_t usual_xattr_size = 512;

/// Runs `call(buffer, size)`, which says how much it has; again with all the room that there can be
/// if it has more.
template <typename Call>
std::optional<Bytes> read_sized(std::size_t largest, Call call)
{
    Bytes buffer(usual_xattr_size);
    ssize_t size = call(buffer.data(), buffer.size());
    if (size < 0 && errno == ERANGE) {
        buffer.resize(largest);
        size = call(buffer.data(), buffer.size());
    }
    if (size < 0) {
        return std::nullopt;
    }
    buffer.resize(static_cast<std::size_t>(size));
    return buffer;
}

int error_of(int result)
{
    return result == 0 ? 0 : errno;
}

} // namespace

Inode::Inode(int descriptor)
    : descriptor_(descriptor),
      access_((fcntl(descriptor, F_GETFL) & O_PATH) != 0 ? Access::path_only : Access::opened)
{
}

struct stat Inode::status() const
{
    struct stat status {
    };
    if (fstat(descriptor_, &status) != 0) {
        throw_system_error(errno, "cannot look at what was restored", {}, ErrorCode::target);
    }
    return status;
}

std::vector<std::string> Inode::xattr_names() const
{
    const auto list = read_sized(largest_xattr_list, [&](std::uint8_t* data, std::size_t size) {
        char* text = reinterpret_cast<char*>(data);
        return access_ == Access::opened
                   ? flistxattr(descriptor_, text, size)
                   : listxattr(descriptor_path(descriptor_).c_str(), text, size);
    });
    std::vector<std::string> names;
    std::string_view rest = list ? as_text(*list) : std::string_view();
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        names.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return names;
}

std::optional<Bytes> Inode::xattr(const std::string& name) const
{
    return read_sized(largest_xattr_value, [&](std::uint8_t* data, std::size_t size) {
        return access_ == Access::opened
                   ? fgetxattr(descriptor_, name.c_str(), data, size)
                   : getxattr(descriptor_path(descriptor_).c_str(), name.c_str(), data, size);
    });
}

int Inode::set_xattr(const std::string& name, ByteSpan value) const
{
    return error_of(access_ == Access::opened
                        ? fsetxattr(descriptor_, name.c_str(), value.data(), value.size(), 0)
                        : setxattr(descriptor_path(descriptor_).c_str(), name.c_str(), value.data(),
                                   value.size(), 0));
}

int Inode::remove_xattr(const std::string& name) const
{
    return error_of(access_ == Access::opened
                        ? fremovexattr(descriptor_, name.c_str())
                        : removexattr(descriptor_path(descriptor_).c_str(), name.c_str()));
}

std::optional<std::uint64_t> Inode::flags() const
{
    long flags = 0; // the kernel writes an int; room for the type that the header names
    if (access_ != Access::opened || ioctl(descriptor_, FS_IOC_GETFLAGS, &flags) != 0) {
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(flags);
}

int Inode::set_flags(std::uint64_t flags) const
{
    if (access_ != Access::opened) {
        return EOPNOTSUPP;
    }
    const long value = static_cast<long>(flags);
    return error_of(ioctl(descriptor_, FS_IOC_SETFLAGS, &value));
}

int Inode::set_owner(std::optional<std::uint32_t> user, std::optional<std::uint32_t> group) const
{
    constexpr auto unchanged = static_cast<std::uint32_t>(-1);
    return error_of(fchownat(descriptor_, "", user.value_or(unchanged), group.value_or(unchanged),
                             AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

int Inode::set_mode(std::uint32_t mode) const
{
    return error_of(access_ == Access::opened ? fchmod(descriptor_, mode)
                                              : chmod(descriptor_path(descriptor_).c_str(), mode));
}

int Inode::set_modified(Timestamp time) const
{
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                               {.tv_sec = time.seconds, .tv_nsec = time.nanoseconds}};
    return error_of(access_ == Access::opened
                        ? futimens(descriptor_, times)
                        : utimensat(AT_FDCWD, descriptor_path(descriptor_).c_str(), times, 0));
}

} // namespace backstay::core
