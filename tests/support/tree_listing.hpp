#pragma once

#include "format/entry.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace backstay::core
{

/// One line an entry: everything of it that a restore has to bring back. Keyed by path; made by
/// plain system calls, so that tests do not believe the code that they test.
using TreeListing = std::map<std::string, std::string>;

namespace listing
{

inline std::string hex(std::string_view bytes)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const char byte : bytes) {
        text += digits[static_cast<unsigned char>(byte) >> 4U];
        text += digits[static_cast<unsigned char>(byte) & 15U];
    }
    return text;
}

/// Short contents whole, long ones as size and hash.
inline std::string content_text(std::string_view bytes)
{
    if (bytes.size() <= 32) {
        return hex(bytes);
    }
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char byte : bytes) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
    }
    return std::to_string(bytes.size()) + ":" + std::to_string(hash);
}

inline std::string line(const std::string& kind, std::uint32_t mode, std::uint32_t user,
                        std::uint32_t group, std::int64_t seconds, std::uint32_t nanoseconds,
                        const std::string& rest, const std::map<std::string, std::string>& xattrs)
{
    std::string text = kind;
    char octal[16];
    std::snprintf(octal, sizeof octal, " %04o", static_cast<unsigned>(mode));
    text += kind == "symlink" ? "" : octal;
    text += " " + std::to_string(user) + ":" + std::to_string(group);
    text += " @" + std::to_string(seconds) + "." + std::to_string(nanoseconds);
    text += " " + rest;
    for (const auto& [name, value] : xattrs) {
        text += " " + name + "=" + hex(value);
    }
    return text;
}

inline std::string read_all(int fd)
{
    std::string bytes;
    char buffer[65536];
    ssize_t size = 0;
    while ((size = read(fd, buffer, sizeof buffer)) > 0) {
        bytes.append(buffer, static_cast<std::size_t>(size));
    }
    return bytes;
}

inline std::map<std::string, std::string> read_xattrs(int folder, const std::string& name)
{
    const std::string path = "/proc/self/fd/" + std::to_string(folder) + "/" + name;
    std::map<std::string, std::string> xattrs;
    std::string names(65536, '\0');
    const ssize_t size = llistxattr(path.c_str(), names.data(), names.size());
    for (ssize_t at = 0; at < size;) {
        const std::string xattr = names.data() + at;
        at += static_cast<ssize_t>(xattr.size()) + 1;
        std::string value(65536, '\0');
        const ssize_t length = lgetxattr(path.c_str(), xattr.c_str(), value.data(), value.size());
        if (length >= 0 && xattr != "security.selinux") {
            value.resize(static_cast<std::size_t>(length));
            xattrs[xattr] = value;
        }
    }
    return xattrs;
}

class Lister
{
public:
    TreeListing run(const std::string& root)
    {
        const int fd = open(root.c_str(), O_RDONLY | O_DIRECTORY);
        if (fd < 0) {
            throw std::runtime_error("cannot list " + root);
        }
        list(fd, "");
        return std::move(lines_);
    }

private:
    void list(int fd, const std::string& prefix)
    {
        DIR* stream = fdopendir(fd);
        std::vector<std::string> names;
        while (const dirent* entry = readdir(stream)) {
            const std::string name = entry->d_name;
            if (name != "." && name != "..") {
                names.push_back(name);
            }
        }
        std::sort(names.begin(), names.end());
        for (const std::string& name : names) {
            add(fd, name, prefix + name);
        }
        closedir(stream);
    }

    void add(int folder, const std::string& name, const std::string& path)
    {
        struct stat status {
        };
        if (fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            throw std::runtime_error("cannot stat " + path);
        }
        std::string kind;
        std::string rest;
        if (S_ISDIR(status.st_mode)) {
            kind = "directory";
        } else if (S_ISREG(status.st_mode)) {
            kind = "file";
            const int fd = openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW);
            rest = content_text(read_all(fd));
            close(fd);
        } else if (S_ISLNK(status.st_mode)) {
            kind = "symlink";
            std::string target(4096, '\0');
            const ssize_t size = readlinkat(folder, name.c_str(), target.data(), target.size());
            rest = hex(target.substr(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0))));
        } else {
            kind = S_ISCHR(status.st_mode)    ? "character-device"
                   : S_ISBLK(status.st_mode)  ? "block-device"
                   : S_ISFIFO(status.st_mode) ? "fifo"
                                              : "socket";
            rest =
                std::to_string(major(status.st_rdev)) + "," + std::to_string(minor(status.st_rdev));
        }
        if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) {
            const auto [first, is_new] = first_names_.try_emplace(status.st_ino, path);
            rest += " linked:" + first->second;
        }
        lines_[path] = line(
            kind, status.st_mode & 07777, status.st_uid, status.st_gid, status.st_mtim.tv_sec,
            static_cast<std::uint32_t>(status.st_mtim.tv_nsec), rest, read_xattrs(folder, name));
        if (S_ISDIR(status.st_mode)) {
            list(openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW), path + "/");
        }
    }

    TreeListing lines_;
    std::map<ino_t, std::string> first_names_;
};

} // namespace listing

/// What is below `root`, which is not listed itself. Order of names for hard links: by bytes within
/// each folder.
inline TreeListing list_tree(const std::string& root)
{
    return listing::Lister().run(root);
}

/// The line that list_tree() should give for an entry whose attributes are all set. `linked`: the
/// first path of its link group, or "".
inline std::string expected_line(const Entry& entry, std::string_view bytes,
                                 const std::string& linked)
{
    std::string kind;
    std::string rest;
    switch (entry.kind) {
    case EntryKind::directory:
        kind = "directory";
        break;
    case EntryKind::symlink:
        kind = "symlink";
        rest = listing::hex(entry.link_target);
        break;
    case EntryKind::character_device:
    case EntryKind::block_device:
    case EntryKind::fifo:
    case EntryKind::socket:
        kind = entry_kind_name(entry.kind);
        rest =
            std::to_string(entry.device >> 32U) + "," + std::to_string(entry.device & 0xffffffffU);
        break;
    default:
        kind = "file";
        rest = listing::content_text(bytes);
        break;
    }
    if (!linked.empty()) {
        rest += " linked:" + linked;
    }
    std::map<std::string, std::string> xattrs;
    for (const Xattr& xattr : entry.xattrs) {
        xattrs[xattr.name] = std::string(as_text(xattr.value));
    }
    return listing::line(kind, entry.mode.value_or(0), entry.user_id.value_or(0),
                         entry.group_id.value_or(0), entry.modified ? entry.modified->seconds : 0,
                         entry.modified ? entry.modified->nanoseconds : 0, rest, xattrs);
}

} // namespace backstay::core
