#pragma once

#include <array>
#include <cstdint>

namespace backstay::core
{

/// A flag of FS_IOC_GETFLAGS that is somebody's wish, not the file system's book-keeping.
struct FileFlag {
    std::uint64_t bit;
    const char* name; ///< for messages
};

/// Those that are kept: what chattr(1) sets, but for two. Case folding is a folder's only while it
/// is empty; a project's inheritance says nothing without the project.
inline constexpr std::array kept_file_flag_list{
    FileFlag{0x1, "secure deletion"},
    FileFlag{0x2, "undeletable"},
    FileFlag{0x4, "compressed"},
    FileFlag{0x8, "synchronous"},
    FileFlag{0x10, "immutable"},
    FileFlag{0x20, "append only"},
    FileFlag{0x40, "no dump"},
    FileFlag{0x80, "no access times"},
    FileFlag{0x400, "not compressed"},
    FileFlag{0x4000, "data journalled"},
    FileFlag{0x8000, "no tail merging"},
    FileFlag{0x10000, "synchronous folder"},
    FileFlag{0x20000, "top of a hierarchy"},
    FileFlag{0x800000, "no copy on write"},
    FileFlag{0x2000000, "direct access"},
};

constexpr std::uint64_t kept_file_flags()
{
    std::uint64_t all = 0;
    for (const FileFlag& flag : kept_file_flag_list) {
        all |= flag.bit;
    }
    return all;
}

inline constexpr std::uint64_t nodump_flag = 0x40; // FS_NODUMP_FL

} // namespace backstay::core
