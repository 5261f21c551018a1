#pragma once

#include "format/entry.hpp"

#include <optional>
#include <string>

namespace backstay::core
{

/// What statx tells of a file, and what is made of it. A plain value.
struct FileStatus {
    EntryKind kind = EntryKind::file;
    std::uint64_t size = 0;
    std::uint64_t blocks = 0; ///< of 512 bytes
    std::uint32_t mode = 0;   ///< permission bits
    std::uint32_t user_id = 0;
    std::uint32_t group_id = 0;
    std::uint32_t links = 1;
    std::uint64_t inode = 0;
    std::uint64_t device = 0;         ///< it lies on
    std::uint64_t special_device = 0; ///< it is, major << 32 | minor
    Timestamp modified;
    Timestamp changed;
    std::optional<Timestamp> created;
    std::uint64_t file_flags = 0;  ///< those of `known_flags` that it has
    std::uint64_t known_flags = 0; ///< that this file system tells by statx: a few, or none

    bool is_sparse() const { return kind == EntryKind::file && blocks * 512 < size; }
    /// Same file, same state.
    bool same_state(const FileStatus& other) const;
};

/// By name in a folder, or of an open file (name "", `descriptor` itself). 0, or errno. Never
/// follows a symlink.
int read_status(int descriptor, const std::string& name, FileStatus& status);

/// All flags of an open file or folder that are kept; empty where there are none.
std::optional<std::uint64_t> read_file_flags(int descriptor);

/// What stands for a state of a file's content.
Bytes encode_change_token(const FileStatus& status);
/// A change token; empty if the state is so young that another change could look the same.
Bytes make_change_token(const FileStatus& status, Timestamp now);

/// An entry's attributes from it; names of owners, flags that statx does not tell, xattrs and the
/// link's target are others' work.
void fill_entry(const FileStatus& status, Entry& entry);

} // namespace backstay::core
