#include "source/tree_entries.hpp"

#include "base/error.hpp"
#include "format/file_flags.hpp"
#include "source/xattr_reader.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <unistd.h>

namespace backstay::core
{

std::optional<SourceEntry> TreeEntries::make(const TreeItem& item, const std::string& name,
                                             const std::string& place)
{
    SourceEntry entry;
    entry.entry.path = item.path.substr(1);
    fill_entry(item.status, entry.entry);
    name_owners(item.status, entry.entry);
    if (item.status.kind == EntryKind::symlink && !read_target(item, name, entry.entry)) {
        return std::nullopt;
    }
    const bool is_file = item.status.kind == EntryKind::file;
    if (is_file) {
        entry.entry.change_token = token_of(item.status, entry.entry.path);
        entry.sparse = item.status.is_sparse();
    }
    // A change of extended attributes or flags sets the change time, which the token holds. Where
    // that time counts for nothing, attributes are read by name, but flags only of what is opened.
    entry.lacks_xattrs = is_file && !walk_.options.ignore_change_time;
    entry.lacked_flags = is_file ? kept_file_flags() & ~item.status.known_flags : 0;
    if (item.file) {
        complete(item, entry.entry);
    } else if (!entry.lacks_xattrs) {
        const int error = read_xattrs(item.folder->get(), name, place, entry.entry.xattrs);
        tell_lost_xattrs(error, item.path, entry.entry);
    }
    return entry;
}

void TreeEntries::fill(const TreeItem& item, Entry& entry)
{
    fill_entry(item.status, entry);
    name_owners(item.status, entry);
    complete(item, entry);
}

void TreeEntries::name_owners(const FileStatus& status, Entry& entry)
{
    entry.user = walk_.names.user(status.user_id);
    entry.group = walk_.names.group(status.group_id);
}

void TreeEntries::complete(const TreeItem& item, Entry& entry) const
{
    if (const std::optional<std::uint64_t> flags = read_file_flags(item.file.get())) {
        entry.file_flags = flags;
    }
    tell_lost_xattrs(read_xattrs(item.file.get(), entry.xattrs), item.path, entry);
}

/// Without a token the next backup does not take the loss over without a word.
void TreeEntries::tell_lost_xattrs(int error, const std::string& path, Entry& entry) const
{
    if (error != 0) {
        entry.change_token.clear();
        walk_.problem(error, path, "cannot read its extended attributes");
    }
}

bool TreeEntries::read_target(const TreeItem& item, const std::string& name, Entry& entry) const
{
    std::array<char, PATH_MAX + 1> buffer{};
    const ssize_t size =
        ::readlinkat(item.folder->get(), name.c_str(), buffer.data(), buffer.size());
    if (size < 0) {
        walk_.problem(errno, item.path, "cannot read where it points");
        return false;
    }
    entry.link_target.assign(buffer.data(), static_cast<std::size_t>(size));
    return true;
}

Bytes TreeEntries::token_of(const FileStatus& status, const std::string& path) const
{
    Bytes token = make_change_token(status, system_clock().now());
    const bool lenient = walk_.options.ignore_change_time || walk_.options.ignore_inode;
    if (!lenient || walk_.parent == nullptr || token.empty()) {
        return token;
    }
    const std::optional<Entry> before = look_up_in_parent(path);
    if (!before || before->kind != EntryKind::file || before->size != status.size ||
        before->modified != status.modified) {
        return token;
    }
    FileStatus forgiven = status;
    if (walk_.options.ignore_change_time) {
        forgiven.changed = before->changed.value_or(status.changed);
    }
    // An inode number is kept only of files with several names: of others only the token tells.
    const bool same = walk_.options.ignore_inode
                          ? before->changed == forgiven.changed
                          : before->change_token == encode_change_token(forgiven);
    return same ? before->change_token : token;
}

/// A parent that cannot be read is no parent.
std::optional<Entry> TreeEntries::look_up_in_parent(const std::string& path) const
{
    try {
        return walk_.parent->lookup(path);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        return std::nullopt;
    }
}

} // namespace backstay::core
