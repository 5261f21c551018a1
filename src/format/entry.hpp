#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "format/content.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core {

/// The numbers are the format's and the C ABI's.
enum class EntryKind : std::uint8_t {
    file = 1,
    directory = 2,
    symlink = 3,
    hard_link = 4, ///< another name of `link_target`, for sources that know no more (archives); trees use `link` instead
    block_device = 5,
    character_device = 6,
    fifo = 7,
    socket = 8,
    image = 9,
};

/// "file", "directory", "symlink", "hard-link", "block-device", "character-device", "fifo", "socket", "image".
const char* entry_kind_name(EntryKind kind);

/// ACLs too ("system.posix_acl_access"), in the kernel's form.
struct Xattr {
    std::string name;
    Bytes value;
    bool operator==(const Xattr&) const = default;
};

/// Equal in two entries of one source: they are one file.
struct LinkIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    auto operator<=>(const LinkIdentity&) const = default;
};

/// A directory's children: the root page of its tree, and what lies below it, in all.
struct Subtree {
    BlobId page{};           ///< BlobKind::tree_node
    std::uint64_t entries = 0; ///< of all levels, the directory itself not counted
    std::uint64_t bytes = 0;   ///< sum of their sizes
    bool operator==(const Subtree&) const = default;
};

/// What is kept of one file, directory, device…: what sources give, snapshots hold and targets make again.
/// Absent attributes are empty optionals, empty texts, empty vectors.
struct Entry {
    std::string path;  ///< raw bytes, '/' between names; in a tree page one name
    EntryKind kind = EntryKind::file;
    bool damaged = false; ///< kept, but not whole
    std::uint64_t size = 0;
    std::optional<std::uint32_t> mode; ///< the permission bits, 07777
    std::optional<std::uint32_t> user_id;
    std::optional<std::uint32_t> group_id;
    std::string user;
    std::string group;
    std::optional<Timestamp> modified;
    std::optional<Timestamp> changed;
    std::optional<Timestamp> created;
    std::optional<LinkIdentity> link; ///< only where there is more than one name
    std::uint64_t device = 0;         ///< major << 32 | minor, of device nodes
    std::optional<std::uint64_t> file_flags; ///< as FS_IOC_GETFLAGS
    std::string link_target;
    std::vector<Xattr> xattrs; ///< sorted by name
    Bytes change_token;        ///< see DataSource
    Content content;           ///< of files, images and streams
    std::optional<Subtree> subtree; ///< of directories in a snapshot
    bool contents_left_out = false; ///< of a directory: on purpose, but for what the snapshot has
    bool operator==(const Entry&) const = default;
};

inline constexpr std::size_t max_name_size = 4096;        ///< of one name in a snapshot
inline constexpr std::size_t max_path_size = 1 << 20;     ///< of a path, far beyond PATH_MAX
inline constexpr std::size_t max_path_depth = 10'000;     ///< folders above an entry that a backup keeps and a restore makes
inline constexpr std::size_t max_xattr_value = 1 << 20;
inline constexpr std::size_t max_xattrs = 1 << 14;        ///< of one entry; Linux lists 64 KiB of names
inline constexpr std::size_t max_xattrs_size = 3 << 20;   ///< values of one entry, together
inline constexpr std::size_t max_change_token = 256;
inline constexpr std::size_t max_link_target = 1 << 16;

/// A name that may stand in a tree: 1 to max_name_size bytes, no '/', no NUL, not "." or "..".
bool is_entry_name(std::string_view name);
/// Names that may stand in a tree, '/' between them; not empty, not absolute.
bool is_entry_path(std::string_view path);

/// Folders above an entry.
std::size_t path_depth(std::string_view path);

/// Order of entries in trees and of paths in a walk: by bytes, '/' before everything else, so that a folder comes right before what is in it.
bool path_less(std::string_view a, std::string_view b);

class Encoder;
class Decoder;
/// One entry; the path is written as it is. decode throws Error{damaged} for anything out of the limits above.
void encode_entry(Encoder& to, const Entry& entry);
/// For what comes from a source: throws Error{invalid} if a decoder would refuse the entry for anything but its path.
void check_entry_limits(const Entry& entry);
Entry decode_entry(Decoder& from);

/// What one needs of an encoded entry to put it where it belongs. Points into the input.
struct EncodedEntry {
    std::string_view path;
    ByteSpan rest; ///< all behind the path
    EntryKind kind = EntryKind::file;
    bool has_subtree = false;
    std::uint64_t size = 0;
};
/// Reads no further than the size. Throws Error{damaged}.
EncodedEntry peek_entry(ByteSpan encoded);

} // namespace backstay::core
