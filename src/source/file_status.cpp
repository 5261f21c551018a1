#include "source/file_status.hpp"

#include "format/encoding.hpp"
#include "format/file_flags.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

namespace backstay::core
{

namespace
{

constexpr std::int64_t youngest_token =
    2; ///< seconds: coarser than any file system's clock tick in use, FAT's too
constexpr std::uint8_t token_version = 1;

EntryKind kind_of(std::uint16_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return EntryKind::directory;
    case S_IFLNK:
        return EntryKind::symlink;
    case S_IFBLK:
        return EntryKind::block_device;
    case S_IFCHR:
        return EntryKind::character_device;
    case S_IFIFO:
        return EntryKind::fifo;
    case S_IFSOCK:
        return EntryKind::socket;
    default:
        return EntryKind::file;
    }
}

Timestamp time_of(const struct statx_timestamp& time)
{
    return {time.tv_sec, time.tv_nsec};
}

std::uint64_t flags_of(std::uint64_t attributes)
{
    std::uint64_t flags = 0;
    const auto note = [&](std::uint64_t attribute, std::uint64_t flag) {
        if ((attributes & attribute) != 0) {
            flags |= flag;
        }
    };
    note(STATX_ATTR_IMMUTABLE, FS_IMMUTABLE_FL);
    note(STATX_ATTR_APPEND, FS_APPEND_FL);
    note(STATX_ATTR_NODUMP, FS_NODUMP_FL);
    note(STATX_ATTR_COMPRESSED, FS_COMPR_FL);
    return flags;
}

} // namespace

bool FileStatus::same_state(const FileStatus& other) const
{
    return kind == other.kind && size == other.size && modified == other.modified &&
           changed == other.changed && inode == other.inode && device == other.device;
}

int read_status(int descriptor, const std::string& name, FileStatus& status)
{
    struct statx about {
    };
    const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name.empty() ? AT_EMPTY_PATH : 0);
    if (::statx(descriptor, name.c_str(), flags, STATX_BASIC_STATS | STATX_BTIME, &about) != 0) {
        return errno;
    }
    status.kind = kind_of(about.stx_mode);
    status.size = about.stx_size;
    status.blocks = about.stx_blocks;
    status.mode = about.stx_mode & 07777U;
    status.user_id = about.stx_uid;
    status.group_id = about.stx_gid;
    status.links = about.stx_nlink;
    status.inode = about.stx_ino;
    status.device = std::uint64_t{about.stx_dev_major} << 32 | about.stx_dev_minor;
    status.special_device = std::uint64_t{about.stx_rdev_major} << 32 | about.stx_rdev_minor;
    status.modified = time_of(about.stx_mtime);
    status.changed = time_of(about.stx_ctime);
    status.created = (about.stx_mask & STATX_BTIME) != 0 ? std::optional(time_of(about.stx_btime))
                                                         : std::nullopt;
    status.file_flags = flags_of(about.stx_attributes_mask & about.stx_attributes);
    status.known_flags = flags_of(about.stx_attributes_mask);
    return 0;
}

std::optional<std::uint64_t> read_file_flags(int descriptor)
{
    long flags = 0; // the kernel writes an int; room for the type that the header names
    if (::ioctl(descriptor, FS_IOC_GETFLAGS, &flags) != 0) {
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(flags) & kept_file_flags();
}

Bytes make_change_token(const FileStatus& status, Timestamp now)
{
    // A file rewritten in the tick it was read in would look the same. A modification time may lie
    // anywhere, in the future too: only one that is about now is suspicious.
    const auto young = [now](Timestamp time) {
        return time.seconds > now.seconds - youngest_token - 1 &&
               time.seconds <= now.seconds + youngest_token;
    };
    if (young(status.changed) || young(status.modified)) {
        return {};
    }
    return encode_change_token(status);
}

Bytes encode_change_token(const FileStatus& status)
{
    Bytes token;
    Encoder to(token);
    to.u8(token_version);
    to.varint(status.size);
    to.time(status.modified);
    to.time(status.changed);
    to.varint(status.inode);
    return token;
}

void fill_entry(const FileStatus& status, Entry& entry)
{
    entry.kind = status.kind;
    entry.size = status.kind == EntryKind::file ? status.size : 0;
    entry.mode = status.mode;
    entry.user_id = status.user_id;
    entry.group_id = status.group_id;
    entry.modified = status.modified;
    entry.changed = status.changed;
    entry.created = status.created;
    entry.link.reset();
    if (status.links > 1 && status.kind != EntryKind::directory) {
        entry.link = LinkIdentity{status.device, status.inode};
    }
    const bool special =
        status.kind == EntryKind::block_device || status.kind == EntryKind::character_device;
    entry.device = special ? status.special_device : 0;
    entry.file_flags.reset();
    const bool flagged = status.kind == EntryKind::file || status.kind == EntryKind::directory;
    if (flagged && status.known_flags != 0) {
        entry.file_flags = status.file_flags;
    }
}

} // namespace backstay::core
